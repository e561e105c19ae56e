import type { Command } from 'commander'
import type { Host } from '../host.ts'
import { collected, wholeNumber } from '../input/whole-number.ts'
import { MOMENT_FORMS, startOf } from '../input/moment.ts'
import { cloudEventOf } from '../cloud-event.ts'
import { eventLine } from '../output/event-line.ts'
import { withMillrace } from '../session.ts'

interface TailOptions {
  readonly from: string
  readonly topic?: readonly string[]
  readonly limit?: number
}

/** `millrace tail`: the log as it grows. */
export function addTail(program: Command, host: Host): void {
  program
    .command('tail')
    .argument('[types...]', "event types or patterns such as 'order.*'; all when absent")
    .description('Follow events as they are stored, until Ctrl-C.')
    .option('--from <place>', `earliest, latest, a cursor, or a time: ${MOMENT_FORMS}`, 'latest')
    .option('--topic <name>', 'only this topic (may be repeated)', collected)
    .option('-n, --limit <count>', 'end after this many events', wholeNumber(1, 1e9))
    .addHelpText(
      'after',
      "\nExamples:\n  millrace tail\n  millrace tail 'order.*' --from 15m\n  millrace tail --json --from earliest | jq .data",
    )
    .action((types: readonly string[], options: TailOptions, command: Command) =>
      withMillrace(host, command, { endsOnSignal: true }, async ({ millrace, output }) => {
        const { from, topic, limit = Number.POSITIVE_INFINITY } = options
        const chunks = millrace.follow({
          ...(types.length === 0 ? {} : { types }),
          ...(topic === undefined ? {} : { topics: topic }),
          from: startOf(from),
          signal: host.signal,
        })
        let shown = 0
        let cursor: string | undefined
        following: for await (const chunk of chunks) {
          if (!chunk.recovered)
            output.warn('Events are missing here: retention has dropped them, or the engine has lost its newest ones.')
          if (cursor === undefined && !output.isJson) output.note('following; Ctrl-C ends it')
          cursor ??= chunk.cursor
          for (const { cursor: after, ...event } of chunk.events) {
            if (host.signal.aborted) break following
            if (output.isJson) await output.jsonLine({ ...cloudEventOf(event), cursor: after })
            else await output.line(eventLine(output, event))
            cursor = after
            shown += 1
            if (shown >= limit) break following
          }
        }
        if (cursor !== undefined && !host.isPipeClosed()) output.note(`go on with: --from ${cursor}`)
      }),
    )
}
