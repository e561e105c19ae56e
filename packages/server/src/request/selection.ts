import { MillraceError, type Selection } from '@millrace/core'
import { commandOf, type Command } from './command.ts'

/** Members of a filter as they come from a query or from a command. */
export interface FilterSource {
  string(name: string): string | undefined
  time(name: string): Date | undefined
  strings(name: string): readonly string[] | undefined
}

/**
 * What a bulk command acts on, said in one of three ways: `ids`, a `filter` with at least one member, or `all: true`, for everything
 * is only meant when it is said. Throws `request_invalid`.
 */
export function selectionOf<Filter extends object>(
  command: Command,
  { names, what, read }: { names: readonly string[]; what: string; read: (from: FilterSource) => Filter },
): Selection<Filter> {
  const ids = command.strings('ids')
  const filter = read(command.has('filter') ? commandOf(command.value('filter'), names, 'filter') : NOTHING)
  const ways = [ids !== undefined, Object.keys(filter).length > 0, command.flag('all')].filter(Boolean).length
  if (ways !== 1) {
    throw new MillraceError(
      'request_invalid',
      `Say which ${what} are meant, in one way: ids, a filter with at least one of ${names.join(', ')}, or all: true.`,
      { path: 'filter' },
    )
  }
  return ids ?? (command.flag('all') ? 'all' : filter)
}

/** The members that are there. */
export function present<Members extends object>(members: Members): Present<Members> {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as Present<Members>
}

type Present<Members> = { [Name in keyof Members]?: Exclude<Members[Name], undefined> }

const NOTHING: FilterSource = { string: () => undefined, time: () => undefined, strings: () => undefined }
