import type { Command } from 'commander'
import { MillraceError, type Millrace, type StoredEvent } from '@millrace/core'
import type { Host } from '../host.ts'
import { causationTree, type CausationNode } from '../causation-tree.ts'
import { cloudEventOf } from '../cloud-event.ts'
import { duration } from '../output/amount.ts'
import { printable } from '../output/escape.ts'
import type { Output } from '../output/output.ts'
import { withMillrace } from '../session.ts'

/** `millrace trace`: one flow as a tree. */
export function addTrace(program: Command, host: Host): void {
  program
    .command('trace')
    .argument('<correlation>', 'a correlation id, or the id of any event of the flow')
    .description('Show one flow as a tree: which event caused which, and when.')
    .addHelpText('after', '\nExamples:\n  millrace trace 01936d2e-7c1b-7000-8000-0123456789ab')
    .action((correlation: string, _options, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        const events = await flowOf(millrace, correlation)
        const first = events[0]
        if (first === undefined) {
          throw new MillraceError(
            'not_found',
            `No event has the id or the correlation id ${JSON.stringify(correlation)}.`,
          )
        }
        const failures = await failuresOf(millrace, events)
        const began = events.reduce((earliest, event) => Math.min(earliest, Date.parse(event.recordedAt)), Infinity)
        const roots = causationTree(events)
        if (output.isJson) {
          const node = ({ event, children }: CausationNode): object => ({
            ...cloudEventOf(event),
            afterMs: Date.parse(event.recordedAt) - began,
            failures: failures.get(event.id) ?? [],
            causes: children.map(node),
          })
          return await output.json({ correlationId: first.metadata.correlationId, events: roots.map(node) })
        }
        await output.line(
          `${printable(first.metadata.correlationId)}  ${events.length} event${events.length === 1 ? '' : 's'}, began ${first.recordedAt}`,
        )
        for (const [at, root] of roots.entries()) {
          await printNode(output, root, { indent: '', isLast: at === roots.length - 1, began, failures })
        }
      }),
    )
}

interface Failure {
  readonly group: string
  readonly code: string
  readonly message: string
  readonly deadLetter: string
}

interface Placement {
  readonly indent: string
  readonly isLast: boolean
  readonly began: number
  readonly failures: ReadonlyMap<string, readonly Failure[]>
}

async function printNode(output: Output, { event, children }: CausationNode, placement: Placement): Promise<void> {
  const { indent, isLast, began, failures } = placement
  const after = `+${duration(Date.parse(event.recordedAt) - began)}`
  const details = [after, event.key === undefined ? undefined : `key ${event.key}`, event.source, event.id]
  const text = details
    .filter((detail) => detail !== undefined)
    .map(printable)
    .join('  ')
  await output.line(`${indent}${isLast ? '└─ ' : '├─ '}${output.paint('cyan', printable(event.type))}  ${text}`)
  const deeper = `${indent}${isLast ? '   ' : '│  '}`
  for (const failure of failures.get(event.id) ?? []) {
    const text = printable(
      `✗ ${failure.group}: ${failure.code}: ${failure.message} (millrace dlq show ${failure.deadLetter})`,
    )
    await output.line(`${deeper}${children.length > 0 ? '│  ' : '   '}${output.paint('red', text)}`)
  }
  for (const [at, child] of children.entries()) {
    await printNode(output, child, { ...placement, indent: deeper, isLast: at === children.length - 1 })
  }
}

async function flowOf(millrace: Millrace, id: string): Promise<readonly StoredEvent[]> {
  const events = await millrace.trace(id)
  const found = (await millrace.find(id))[0]
  if (found === undefined || found.metadata.correlationId === id) return events
  return await millrace.trace(found.metadata.correlationId)
}

const MOST_LOOKED_UP = 100

async function failuresOf(
  millrace: Millrace,
  events: readonly StoredEvent[],
): Promise<ReadonlyMap<string, readonly Failure[]>> {
  const failures = new Map<string, readonly Failure[]>()
  for (const { id } of events.slice(0, MOST_LOOKED_UP)) {
    const letters = await millrace.deadLetters.list({ eventId: id })
    if (letters.length === 0) continue
    failures.set(
      id,
      letters.map(({ group, error, id: deadLetter }) => ({
        group,
        code: error.code,
        message: error.message,
        deadLetter,
      })),
    )
  }
  return failures
}
