import type { Millrace, Priority, Selection, TaskAction, TaskFilter } from '@millrace/core'
import type { Command } from 'commander'
import { wrongUse } from '../failure.ts'
import type { Host } from '../host.ts'
import { priority } from '../input/priority.ts'
import { span } from '../input/span.ts'
import { count } from '../output/amount.ts'
import { printable } from '../output/escape.ts'
import { withMillrace } from '../session.ts'
import { taskFilterOf, withTaskFilterOptions, type TaskFilterFlags } from '../task-filter.ts'

interface ActFlags extends TaskFilterFlags {
  readonly all?: boolean
  readonly dryRun?: boolean
  readonly to?: Priority
  readonly by?: number
}

type What = Selection<TaskFilter>

interface Verb {
  readonly description: string
  readonly done: string
  readonly add?: (command: Command) => Command
  readonly act: (millrace: Millrace, what: What, flags: ActFlags) => Promise<TaskAction>
}

const VERBS: Readonly<Record<'cancel' | 'retry' | 'discard' | 'prioritise' | 'postpone', Verb>> = {
  cancel: {
    description: 'Cancel tasks: what has not started now, what runs is asked to stop.',
    done: 'cancelled, or asked to',
    act: ({ tasks }, what, { dryRun = false }) => tasks.cancel(what, { dryRun }),
  },
  retry: {
    description: 'Run tasks now that are delayed, or again that are dead, cancelled or expired.',
    done: 'due now',
    act: ({ tasks }, what, { dryRun = false }) => tasks.retry(what, { dryRun }),
  },
  discard: {
    description: 'Remove tasks that have ended.',
    done: 'removed',
    act: ({ tasks }, what, { dryRun = false }) => tasks.discard(what, { dryRun }),
  },
  prioritise: {
    description: 'Change the priority of tasks that have not started.',
    done: 'changed',
    add: (command) => command.requiredOption('--to <priority>', 'critical, high, normal, low, or a number', priority),
    act: ({ tasks }, what, { to = 'normal', dryRun = false }) => tasks.prioritise(what, to, { dryRun }),
  },
  postpone: {
    description: 'Let tasks that have not started be due later.',
    done: 'postponed',
    add: (command) => command.requiredOption('--by <span>', 'this long from now, such as 10m', span),
    act: ({ tasks }, what, { by = 0, dryRun = false }) => tasks.postpone(what, by, { dryRun }),
  },
}

/** `tasks cancel`, `retry`, `discard`, `prioritise` and `postpone`: by ids, by a filter, or all of them when that is said. */
export function addTasksAct(tasks: Command, host: Host, verb: keyof typeof VERBS): void {
  const { description, done, add = (command: Command) => command, act } = VERBS[verb]
  const example = verb === 'prioritise' ? ' --to high' : verb === 'postpone' ? ' --by 10m' : ''
  add(withTaskFilterOptions(tasks.command(verb).argument('[ids...]', 'the tasks').description(description)))
    .option('--all', 'every task there is')
    .option('--dry-run', 'only say which')
    .addHelpText(
      'after',
      `\nExamples:\n  millrace tasks ${verb} ID${example}\n  millrace tasks ${verb} --queue reports --since 1h${example} --dry-run`,
    )
    .action(async (ids: readonly string[], flags: ActFlags, command: Command) => {
      const filter = taskFilterOf(flags)
      const ways = [ids.length > 0, Object.keys(filter).length > 0, flags.all === true].filter(Boolean).length
      if (ways !== 1) throw wrongUse('Which tasks? Give either ids, a filter such as --queue or --state, or --all.')
      await withMillrace(host, command, {}, async ({ millrace, output }) => {
        const result = await act(millrace, ids.length > 0 ? ids : flags.all === true ? 'all' : filter, flags)
        const missing = ids.filter((id) => !result.ids.includes(id))
        if (missing.length > 0) host.fail()
        if (output.isJson) return await output.json({ ...result, missing })
        for (const id of missing) output.warn(`${printable(id)} is gone, or in a state that does not allow it`)
        if (result.dryRun) for (const id of result.ids) await output.line(printable(id))
        const summary = `${result.dryRun ? `would be ${done}` : done}: ${count(result.ids.length, 'task')}`
        if (result.dryRun) output.note(summary)
        else await output.line(summary)
      })
    })
}
