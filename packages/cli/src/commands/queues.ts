import type { QueueView } from '@millrace/core'
import type { Command } from 'commander'
import type { Host } from '../host.ts'
import { jsonArgument } from '../input/json-text.ts'
import { duration } from '../output/amount.ts'
import { printable, safeJson } from '../output/escape.ts'
import { printTable } from '../output/table.ts'
import { withMillrace } from '../session.ts'

/** The queues of tasks. */
export function addQueues(program: Command, host: Host): void {
  const queues = program
    .command('queues')
    .description('List, pause, resume, change and remove queues of tasks.')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace queues ls\n  millrace queues pause reports\n  millrace queues change reports \'{"concurrency": 2}\'',
    )
  addLs(queues, host)
  addSwitch(queues, host, 'pause')
  addSwitch(queues, host, 'resume')
  addChange(queues, host)
  addRm(queues, host)
}

function addLs(queues: Command, host: Host): void {
  queues
    .command('ls')
    .description('List the queues with their tasks by state; to one that is full nothing is added.')
    .addHelpText('after', '\nExamples:\n  millrace queues ls\n  millrace queues ls --json')
    .action((_flags, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        const found = await millrace.queues.list()
        if (output.isJson) return await output.json(found)
        if (found.length === 0) return output.note('There is no queue yet: a task or a worker makes one.')
        await printTable(output, found, [
          { title: 'queue', value: ({ name }) => name },
          { title: 'state', value: stateOf, style: stateStyle },
          ...(['ready', 'running', 'delayed', 'waiting', 'dead', 'done'] as const).map((state) => ({
            title: state,
            align: 'right' as const,
            value: ({ counts, exact }: QueueView) => `${counts[state]}${exact || counts[state] < 10_000 ? '' : '+'}`,
          })),
          {
            title: 'oldest',
            align: 'right',
            value: ({ oldestReadyMs }) => (oldestReadyMs === undefined ? '-' : duration(oldestReadyMs)),
          },
          { title: 'no worker for', value: ({ withoutWorker }) => withoutWorker.join(', ') || '-' },
        ])
      }),
    )
}

/** A queue may be both: nothing of it is started, and nothing added. */
function stateOf({ paused, full }: QueueView): string {
  if (paused) return full ? 'paused, full' : 'paused'
  return full ? 'full' : 'open'
}

function stateStyle({ paused, full }: QueueView): 'yellow' | undefined {
  return paused || full ? 'yellow' : undefined
}

function addSwitch(queues: Command, host: Host, verb: 'pause' | 'resume'): void {
  queues
    .command(verb)
    .argument('<queue>', 'the queue')
    .description(
      verb === 'pause'
        ? 'Start nothing more of a queue, in any process; what runs goes on.'
        : 'Let a paused queue go on.',
    )
    .addHelpText('after', `\nExamples:\n  millrace queues ${verb} reports`)
    .action((name: string, _flags, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        const queue = await millrace.queues[verb](name)
        if (output.isJson) return await output.json(queue)
        await output.line(`${printable(queue.name)} is ${queue.paused ? 'paused' : 'open'}`)
      }),
    )
}

function addChange(queues: Command, host: Host): void {
  queues
    .command('change')
    .argument('<queue>', 'the queue')
    .argument('[settings]', 'settings as JSON, @file or -; without them, what was overridden is taken back')
    .description('Override what code declares of a queue, in all processes, until it is taken back.')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace queues change reports \'{"concurrency": 2, "rateLimit": {"limit": 10, "per": 60000}}\'\n  millrace queues change reports',
    )
    .action(async (name: string, text: string | undefined, _flags, command: Command) => {
      const settings = text === undefined ? undefined : await jsonArgument(host, text)
      await withMillrace(host, command, {}, async ({ millrace, output }) => {
        const queue =
          settings === undefined
            ? await millrace.queues.restore(name)
            : await millrace.queues.change(name, settings as QueueView['settings'])
        if (output.isJson) return await output.json(queue)
        await output.line(`${printable(queue.name)} has ${safeJson(queue.settings)}`)
      })
    })
}

function addRm(queues: Command, host: Host): void {
  queues
    .command('rm')
    .argument('<queue>', 'the queue')
    .description('Remove a queue that has no tasks.')
    .addHelpText('after', '\nExamples:\n  millrace queues rm reports')
    .action((name: string, _flags, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        await millrace.queues.remove(name)
        if (output.isJson) return await output.json({ removed: name })
        await output.line(`removed ${printable(name)}`)
      }),
    )
}
