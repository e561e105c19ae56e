import type { TaskView } from '@millrace/core'
import type { Command } from 'commander'
import type { Host } from '../host.ts'
import { wholeNumber } from '../input/whole-number.ts'
import { duration } from '../output/amount.ts'
import type { Style } from '../output/output.ts'
import { printTable } from '../output/table.ts'
import { withMillrace, type Session } from '../session.ts'
import { taskFilterOf, withTaskFilterOptions, type TaskFilterFlags } from '../task-filter.ts'

interface LsFlags extends TaskFilterFlags {
  readonly limit: number
  readonly after?: string
}

/** `millrace tasks ls`: tasks, one a row. */
export function addTasksLs(tasks: Command, host: Host): void {
  withTaskFilterOptions(
    tasks.command('ls').description('List tasks: oldest first what has not ended, then newest first what has.'),
  )
    .option('-n, --limit <count>', 'how many', wholeNumber(1, 1_000), 100)
    .option('--after <id>', 'go on after this task')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace tasks ls --queue reports\n  millrace tasks ls --state dead --since 1h\n  millrace tasks ls --state ready --state waiting --json',
    )
    .action((flags: LsFlags, command: Command) => withMillrace(host, command, {}, (session) => list(session, flags)))
}

async function list({ millrace, output }: Session, flags: LsFlags): Promise<void> {
  const { limit, after } = flags
  const tasks = await millrace.tasks.list({
    ...taskFilterOf(flags),
    limit,
    ...(after === undefined ? {} : { after }),
  })
  if (output.isJson) return await output.json(tasks)
  if (tasks.length === 0) return output.note('There is no such task.')
  await printTable(output, tasks, [
    { title: 'id', value: ({ id }) => id },
    { title: 'name', value: ({ name }) => name },
    { title: 'queue', value: ({ queue }) => queue },
    { title: 'state', value: stateOf, style: ({ state }) => STYLES[state] },
    { title: 'priority', value: ({ priority }) => priority },
    { title: 'key', value: ({ key }) => key ?? '-' },
    { title: 'starts', value: ({ starts }) => starts, align: 'right' },
    { title: 'added', value: ({ addedAt }) => addedAt },
    { title: 'error', value: ({ error }) => (error === undefined ? '' : `${error.code}: ${error.message}`) },
  ])
  const last = tasks.at(-1)
  if (last !== undefined && tasks.length === limit) output.note(`next page: --after ${last.id}`)
  output.note(`look at one with: millrace tasks show ${tasks[0]?.id ?? ''}`)
}

const STYLES: Readonly<Partial<Record<TaskView['state'], Style>>> = { dead: 'red', suspect: 'yellow', running: 'green' }

/** With what people want to know of it: how far it is. */
function stateOf({ state, progress, delayedBy }: TaskView): string {
  if (state === 'delayed' && delayedBy !== undefined) return `${state} (${delayedBy})`
  if (state !== 'running' || progress?.percent === undefined) return state
  const left = progress.remainingMs === undefined ? '' : `, ${duration(progress.remainingMs)} left`
  return `${state} ${Math.floor(progress.percent)} %${left}`
}
