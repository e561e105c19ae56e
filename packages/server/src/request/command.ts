import type { IncomingMessage } from 'node:http'
import { MillraceError } from '@millrace/core'
import type { ServerLimits } from '../options.ts'
import { parseJson, readText } from './body.ts'
import { mediaTypeOf } from './media-type.ts'
import { readQuery } from './query.ts'
import { timeOf } from './time.ts'

/** The members of a command's JSON body, read by name and kind. Each throws `request_invalid` with the path. */
export interface Command {
  has(name: string): boolean
  /** The raw value, undefined when absent. */
  value(name: string): unknown
  string(name: string): string | undefined
  strings(name: string): readonly string[] | undefined
  flag(name: string): boolean
  /** A number above 0. */
  amount(name: string): number | undefined
  time(name: string): Date | undefined
}

/**
 * Reads the JSON object of a command; an absent body is an empty one. Throws `media_type_unsupported` unless it is
 * declared as JSON (a browser cannot send that to another site without asking), `request_invalid` for a member that is not in `allowed`, and for any query
 * parameter: `?dryRun=true` would be passed over, and the command carried out.
 */
export async function readCommand(
  request: Request,
  {
    limits,
    incoming,
    allowed,
  }: { limits: ServerLimits; incoming: IncomingMessage | undefined; allowed: readonly string[] },
): Promise<Command> {
  readQuery(request.url, [])
  const media = mediaTypeOf(request.headers.get('content-type'))
  if (media !== undefined && !media.isJson) {
    throw new MillraceError('media_type_unsupported', 'Send the command as application/json.')
  }
  const text = await readText(request, limits, incoming)
  if (text !== '' && media === undefined) {
    throw new MillraceError(
      'media_type_unsupported',
      'The body has no content type: send the command as application/json.',
    )
  }
  return commandOf(text === '' ? {} : parseJson(text), allowed)
}

/** The members of a value as a command. `base` is the path of the value itself. */
export function commandOf(value: unknown, allowed: readonly string[], base = ''): Command {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(base, `${base === '' ? 'The body' : base} must be a JSON object.`)
  }
  const pathOf = (name: string): string => (base === '' ? name : `${base}.${name}`)
  const members = new Map<string, unknown>(Object.entries(value))
  for (const name of members.keys()) {
    if (!allowed.includes(name)) {
      const known = allowed.length === 0 ? 'it takes none' : `there are ${allowed.join(', ')}`
      throw invalid(
        pathOf(name.slice(0, 100)),
        `A member of ${base === '' ? 'the body' : base} is not known; ${known}.`,
      )
    }
  }
  function typed<Value>(
    name: string,
    what: string,
    test: (candidate: unknown) => candidate is Value,
  ): Value | undefined {
    const candidate = members.get(name)
    if (candidate === undefined || candidate === null) return undefined
    if (!test(candidate)) throw invalid(pathOf(name), `${pathOf(name)} must be ${what}.`)
    return candidate
  }

  return {
    has: (name) => members.has(name),
    value: (name) => members.get(name),
    string: (name) => typed(name, 'a text that is not empty', isText),
    strings: (name) => typed(name, 'a list of texts, at most 1,000', isTexts),
    flag: (name) => typed(name, 'true or false', (candidate) => typeof candidate === 'boolean') ?? false,
    amount: (name) => typed(name, 'a number above 0', isAmount),
    time(name) {
      const text = typed(name, 'a time (RFC 3339)', isText)
      return text === undefined ? undefined : timeOf(text, pathOf(name))
    },
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 8_192
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= 1_000 && value.every(isText)
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0
}

function invalid(path: string, message: string): MillraceError {
  return new MillraceError('request_invalid', message, path === '' ? {} : { path })
}
