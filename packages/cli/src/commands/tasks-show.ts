import type { TaskView } from '@millrace/core'
import type { Command } from 'commander'
import type { Host } from '../host.ts'
import { duration } from '../output/amount.ts'
import { printable, safeJson } from '../output/escape.ts'
import { printFacts } from '../output/facts.ts'
import { withMillrace, type Session } from '../session.ts'

interface ShowFlags {
  readonly logs?: boolean
  readonly follow?: boolean
}

/** `millrace tasks show`: one task, and why it waits. */
export function addTasksShow(tasks: Command, host: Host): void {
  tasks
    .command('show')
    .argument('<id>', 'the task')
    .description('Show a task with its input and output, and why it is not running.')
    .option('-l, --logs', 'print the lines that it has logged, too')
    .option('-f, --follow', 'print how far it is each time that it has changed, until it has ended')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace tasks show ID\n  millrace tasks show ID --follow\n  millrace tasks show ID --logs --json',
    )
    .action((id: string, flags: ShowFlags, command: Command) =>
      withMillrace(host, command, {}, (session) =>
        flags.follow === true ? follow(session, id) : show(session, id, flags.logs === true),
      ),
    )
}

async function show({ millrace, output }: Session, id: string, withLogs: boolean): Promise<void> {
  const task = await millrace.tasks.get(id)
  const explanation = await millrace.tasks.explain(id)
  const logs = withLogs ? await millrace.tasks.logs(id) : []
  if (output.isJson) return await output.json({ ...task, explanation, ...(withLogs ? { logs } : {}) })
  await printFacts(output, [
    ['id', task.id],
    ['name', task.name],
    ['queue', task.queue],
    ['state', `${task.state}${task.cancelling ? ' (asked to cancel)' : ''}`],
    ['why', explanation.text],
    ['priority', task.priority],
    ['key', task.key],
    ['tenant', task.tenant],
    ['attempts', `${task.attempts} failed, ${task.starts} started, ${task.crashes} with a worker that ended`],
    ['worker', task.worker],
    ['added', task.addedAt],
    ['due', task.dueAt],
    ['started', task.startedAt],
    ['ended', task.endedAt],
    ['expires', task.expiresAt],
    ['parent', task.parent],
    ['children', task.pendingChildren === 0 ? undefined : `${task.pendingChildren} have not ended`],
    ['correlation', task.metadata.correlationId],
    ['progress', progressOf(task)],
    ['error', task.error === undefined ? undefined : `${task.error.code}: ${task.error.message}`],
    ['input', safeJson(task.input) ?? '-'],
    ['output', task.output === undefined ? undefined : safeJson(task.output)],
  ])
  for (const line of logs) await output.line(`  ${printable(line)}`)
}

async function follow({ millrace, output, host }: Session, id: string): Promise<void> {
  for await (const task of millrace.tasks.follow(id, { signal: host.signal })) {
    if (output.isJson) await output.jsonLine(task)
    else await output.line(printable([task.state, progressOf(task), task.error?.message].filter(Boolean).join('  ')))
  }
}

function progressOf({ progress }: TaskView): string | undefined {
  if (progress === undefined) return undefined
  const { done, total, percent, remainingMs, stage, message } = progress
  const share = percent === undefined ? String(done) : `${percent.toFixed(0)} % (${done} of ${total})`
  const left = remainingMs === undefined ? undefined : `${duration(remainingMs)} left`
  return [share, left, stage, message].filter((part) => part !== undefined).join(', ')
}
