import type { Command } from 'commander'
import type { Host } from '../host.ts'
import { collected, wholeNumber } from '../input/whole-number.ts'
import { moment, MOMENT_FORMS, parseMoment } from '../input/moment.ts'
import { cloudEventOf } from '../cloud-event.ts'
import { eventLine } from '../output/event-line.ts'
import { withMillrace } from '../session.ts'

interface ReadFlags {
  readonly topic?: readonly string[]
  readonly type?: readonly string[]
  readonly key?: string
  readonly after?: string
  readonly until?: string
  readonly limit: number
  readonly backwards?: boolean
}

/** `millrace read`: a page of the log. */
export function addRead(program: Command, host: Host): void {
  program
    .command('read')
    .description('Browse stored events, a page at a time.')
    .option('--topic <name>', 'only this topic (may be repeated)', collected)
    .option('--type <type>', 'only this event type (may be repeated)', collected)
    .option('--key <key>', 'only events of this key')
    .option('--after <place>', `a cursor of an earlier page, or a time: ${MOMENT_FORMS}`)
    .option('--until <time>', 'only events stored before this time')
    .option('-n, --limit <count>', 'how many events', wholeNumber(1, 1_000), 100)
    .option('--backwards', 'newest first')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace read --backwards -n 10\n  millrace read --type order.placed --key o-1 --after 2h\n  millrace read --json --after CURSOR',
    )
    .action((options: ReadFlags, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        const { topic, type, key, after, until, limit, backwards = false } = options
        const { events, next } = await millrace.read({
          ...(topic === undefined ? {} : { topics: topic }),
          ...(type === undefined ? {} : { types: type }),
          ...(key === undefined ? {} : { key }),
          ...(after === undefined ? {} : { after: parseMoment(after) ?? after }),
          ...(until === undefined ? {} : { until: moment(until, '--until') }),
          limit,
          backwards,
        })
        if (output.isJson) return await output.json({ events: events.map(cloudEventOf), next: next ?? null })
        for (const event of events) await output.line(eventLine(output, event))
        if (events.length === 0) output.note('There is no such event.')
        else if (next !== undefined && events.length === limit) output.note(`next page: --after ${next}`)
      }),
    )
}
