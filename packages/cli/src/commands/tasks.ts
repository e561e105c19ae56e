import type { Command } from 'commander'
import type { Host } from '../host.ts'
import { addTasksAct } from './tasks-act.ts'
import { addTasksAdd } from './tasks-add.ts'
import { addTasksImport } from './tasks-import.ts'
import { addTasksLs } from './tasks-ls.ts'
import { addTasksShow } from './tasks-show.ts'

/** The tasks: what waits, runs and has ended in queues. */
export function addTasks(program: Command, host: Host): void {
  const tasks = program
    .command('tasks')
    .description('List, look at, add, cancel, run again and reorder tasks.')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace tasks ls --state running\n  millrace tasks show ID\n  millrace tasks add report.build \'{"month":"2026-01"}\' --priority high',
    )
  addTasksLs(tasks, host)
  addTasksShow(tasks, host)
  addTasksAdd(tasks, host)
  for (const verb of ['cancel', 'retry', 'discard', 'prioritise', 'postpone'] as const) addTasksAct(tasks, host, verb)
  addTasksImport(tasks, host)
}
