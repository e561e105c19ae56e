import type { Priority, ScheduleOptions, ScheduleRule } from '@millrace/core'
import { Option, type Command } from 'commander'
import { wrongUse } from '../failure.ts'
import type { Host } from '../host.ts'
import { jsonArgument } from '../input/json-text.ts'
import { moment, momentAhead } from '../input/moment.ts'
import { priority } from '../input/priority.ts'
import { span } from '../input/span.ts'
import { wholeNumber } from '../input/whole-number.ts'
import { printable } from '../output/escape.ts'
import { withMillrace } from '../session.ts'
import { warnOfMisspelt } from '../warn-of-misspelt.ts'

interface PutFlags {
  readonly cron?: string
  readonly timeZone?: string
  readonly every?: number
  readonly from?: string
  readonly at?: string
  readonly input?: string
  readonly missed?: NonNullable<ScheduleOptions['missed']>
  readonly starts?: string
  readonly ends?: string
  readonly limit?: number
  readonly overlap: boolean
  readonly queue?: string
  readonly priority?: Priority
  readonly key?: string
  readonly tenant?: string
  readonly expires?: number
}

const MOST_FIRINGS = 999_999_999

/** `millrace schedules put`: a schedule, or another rule for one that is there. */
export function addSchedulesPut(schedules: Command, host: Host): void {
  schedules
    .command('put')
    .argument('<schedule>', 'its name')
    .argument('<task>', 'the name of the definition of the task that it adds')
    .description('Store a schedule, or change one of that name.')
    .option('--cron <fields>', 'five fields, or six with seconds first')
    .option('--time-zone <zone>', 'the time zone of --cron (default: UTC)')
    .option('--every <span>', 'again and again, such as 10m', span)
    .option('--from <time>', 'where --every counts from (default: now)')
    .option('--at <time>', 'once')
    .option('-i, --input <input>', 'the input of each task: JSON, @file, or -')
    .addOption(
      new Option(
        '--missed <policy>',
        'what happens to firings that nobody was there for (default: once for all)',
      ).choices(['once', 'skip', 'all']),
    )
    .option('--starts <time>', 'it does not fire before')
    .option('--ends <time>', 'it does not fire after')
    .option('--limit <count>', 'how often it fires in all', wholeNumber(1, MOST_FIRINGS))
    .option('--no-overlap', 'adds no task while one of this schedule has not ended')
    .option('-q, --queue <name>', 'the queue, where the configuration does not know the definition')
    .option('-p, --priority <priority>', 'of each task: critical, high, normal, low, or a number', priority)
    .option('--key <key>', 'the key of each task')
    .option('--tenant <tenant>', 'the tenant of each task')
    .option('--expires <span>', 'each task is not started any more after this time', span)
    .addHelpText(
      'after',
      "\nExamples:\n  millrace schedules put nightly report.build --cron '0 2 * * *' --time-zone Europe/Berlin\n  millrace schedules put pulse health.check --input '{}' --every 30s --no-overlap",
    )
    .action(async (name: string, task: string, flags: PutFlags, command: Command) => {
      const rule = ruleOf(flags)
      const options = { task, ...optionsOf(flags) }
      const input = flags.input === undefined ? undefined : await jsonArgument(host, flags.input)
      await withMillrace(host, command, { creates: true }, async ({ millrace, output, settings }) => {
        warnOfMisspelt(
          output,
          task,
          (settings.config.tasks ?? []).map((each) => each.name),
        )
        const schedule = await millrace.schedules.put(name, rule, {
          ...options,
          ...(input === undefined ? {} : { input }),
        })
        if (output.isJson) return await output.json(schedule)
        await output.line(`${printable(schedule.name)} fires next at ${schedule.nextAt ?? '-'}`)
      })
    })
}

function ruleOf({ cron, timeZone, every, from, at }: PutFlags): ScheduleRule {
  const ways = [cron, every, at].filter((way) => way !== undefined).length
  if (ways !== 1) throw wrongUse('When does it fire? Give one of --cron, --every and --at.')
  if (timeZone !== undefined && cron === undefined) throw wrongUse('--time-zone belongs to --cron.')
  if (from !== undefined && every === undefined) throw wrongUse('--from belongs to --every.')
  if (cron !== undefined) return { cron, ...(timeZone === undefined ? {} : { timeZone }) }
  if (every === undefined) return { at: momentAhead(at ?? '', '--at') }
  return { every, ...(from === undefined ? {} : { from: moment(from, '--from') }) }
}

function optionsOf(flags: PutFlags): Omit<ScheduleOptions, 'task' | 'input'> {
  const { missed, starts, ends, limit, overlap, queue, priority: wanted, key, tenant, expires } = flags
  const ofTasks = {
    ...(queue === undefined ? {} : { queue }),
    ...(wanted === undefined ? {} : { priority: wanted }),
    ...(key === undefined ? {} : { key }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(expires === undefined ? {} : { expiresAfter: expires }),
  }
  return {
    ...(Object.keys(ofTasks).length === 0 ? {} : { options: ofTasks }),
    ...(missed === undefined ? {} : { missed }),
    ...(starts === undefined ? {} : { starts: momentAhead(starts, '--starts') }),
    ...(ends === undefined ? {} : { ends: momentAhead(ends, '--ends') }),
    ...(limit === undefined ? {} : { limit }),
    ...(overlap ? {} : { noOverlap: true }),
  }
}
