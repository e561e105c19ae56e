import type { Command } from 'commander'
import { MillraceError } from '@millrace/core'
import { didYouMean } from '../config/nearest.ts'
import { wrongUse } from '../failure.ts'
import type { Host } from '../host.ts'
import { moment, MOMENT_FORMS, startOf } from '../input/moment.ts'
import { collected, wholeNumber } from '../input/whole-number.ts'
import { count } from '../output/amount.ts'
import { createProgress } from '../output/progress.ts'
import { withMillrace } from '../session.ts'

interface ReplayFlags {
  readonly group: string
  readonly from: string
  readonly to?: string
  readonly type?: readonly string[]
  readonly topic?: readonly string[]
  readonly key?: string
  readonly rate?: number
  readonly dryRun?: boolean
}

/** `millrace replay`: a range of the log to one group again. */
export function addReplay(program: Command, host: Host): void {
  program
    .command('replay')
    .description('Show stored events to one group again. Other groups do not notice.')
    .requiredOption('--group <name>', 'the group that sees them')
    .requiredOption('--from <place>', `earliest, a cursor, or a time: ${MOMENT_FORMS}`)
    .option('--to <time>', 'up to this time (default: now)')
    .option('--type <type>', 'only this event type or pattern (may be repeated)', collected)
    .option('--topic <name>', 'only this topic (may be repeated)', collected)
    .option('--key <key>', 'only events of this key')
    .option('--rate <count>', 'events a second at most', wholeNumber(1, 1_000_000))
    .option('--dry-run', 'only count them')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace replay --group receipts --from 2h --dry-run\n  millrace replay --group receipts --from 2026-11-20 --to 2026-11-21 --type order.placed --rate 100\n\nCtrl-C stops it and says how far it got.',
    )
    .action(async (flags: ReplayFlags, command: Command) => {
      const range = rangeOf(flags)
      await withMillrace(host, command, { endsOnSignal: true }, async ({ millrace, output }) => {
        const { group, type, topic, key, rate, dryRun = false } = flags
        const groups = (await millrace.groups()).map((status) => status.group)
        if (!groups.includes(group)) {
          throw new MillraceError(
            'group_unknown',
            `There is no group ${JSON.stringify(group)}. ${didYouMean(group, groups)}`,
          )
        }
        const what = {
          ...range,
          group,
          ...(type === undefined ? {} : { types: type }),
          ...(topic === undefined ? {} : { topics: topic }),
          ...(key === undefined ? {} : { key }),
        }
        const { matched } = await millrace.replay({ ...what, dryRun: true, signal: host.signal })
        if (dryRun || matched === 0 || host.signal.aborted) {
          if (host.signal.aborted) host.fail(130)
          if (output.isJson)
            return await output.json({ group, matched, replayed: 0, dryRun, interrupted: host.signal.aborted })
          return await output.line(`${count(matched, 'event')} would be replayed into ${group}`)
        }
        const progress = createProgress(host, 'events')
        const { replayed } = await millrace.replay({
          ...what,
          ...(rate === undefined ? {} : { rate }),
          signal: host.signal,
          onProgress: (done) => progress.update(done, matched),
        })
        progress.end()
        const interrupted = host.signal.aborted && replayed < matched
        if (interrupted) host.fail(130)
        if (output.isJson) return await output.json({ group, matched, replayed, dryRun, interrupted })
        if (interrupted)
          return await output.line(`interrupted: replayed ${replayed} of ${count(matched, 'event')} into ${group}`)
        await output.line(`replayed ${count(replayed, 'event')} into ${group}`)
        output.note(`watch it with: millrace lag ${group}`)
      })
    })
}

/** The range, with `to` fixed now, so that counting and replaying see the same events. */
function rangeOf({ from, to }: ReplayFlags): {
  readonly from: Date | 'earliest' | { readonly cursor: string }
  readonly to: Date
} {
  const start = startOf(from)
  if (start === 'latest') throw wrongUse('--from latest leaves nothing to replay. Give a time, a cursor or earliest.')
  const now = new Date()
  const end = to === undefined ? new Date(now.getTime() + 1) : moment(to, '--to')
  if (start instanceof Date) {
    if (start > now) throw wrongUse(`--from ${from} lies in the future.`)
    if (start >= end) throw wrongUse('The replay ends before it begins: --to must be later than --from.')
  }
  return { from: start, to: end }
}
