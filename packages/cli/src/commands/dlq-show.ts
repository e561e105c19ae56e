import type { Command } from 'commander'
import type { Host } from '../host.ts'
import { printable, safeJson } from '../output/escape.ts'
import { withMillrace } from '../session.ts'

/** `millrace dlq show`: one dead letter with its story. */
export function addDlqShow(dlq: Command, host: Host): void {
  dlq
    .command('show')
    .argument('<id>', 'the dead letter')
    .description('Show a dead letter with its error and its event.')
    .addHelpText('after', '\nExamples:\n  millrace dlq show ID\n  millrace dlq show ID --json | jq -r .error.stack')
    .action((id: string, _flags, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        const letter = await millrace.deadLetters.get(id)
        if (output.isJson) return await output.json(letter)
        const facts: readonly (readonly [string, string])[] = [
          ['id', letter.id],
          ['group', letter.group],
          ['event', `${letter.eventType} ${letter.eventId}`],
          ['place', `${letter.topic}/${letter.partition} at ${letter.position}`],
          ['key', letter.event?.key ?? '-'],
          ['correlation', letter.event?.metadata.correlationId ?? '-'],
          ['attempts', String(letter.attempts)],
          ['first failed', letter.firstFailedAt],
          ['last failed', letter.lastFailedAt],
          ['fingerprint', letter.fingerprint],
          ['error', `${letter.error.code}: ${letter.error.message}`],
        ]
        for (const [name, value] of facts)
          await output.line(`${output.paint('dim', name.padEnd(13))} ${printable(value)}`)
        for (const line of (letter.error.stack ?? '').split('\n').slice(1, MOST_STACK_LINES)) {
          await output.line(output.paint('dim', `              ${printable(line.trim())}`))
        }
        await output.line(output.paint('dim', 'data'))
        const data = letter.event === undefined ? printable(letter.body) : safeJson(letter.event.data, 2)
        await output.line(data)
        output.note(`hand it back with: millrace dlq requeue ${letter.id}`)
      }),
    )
}

const MOST_STACK_LINES = 20
