import type { Command } from 'commander'
import { HIGHEST_PORT, serverOf, untilInterrupted, type ListenFlags } from '../application.ts'
import { wrongUse } from '../failure.ts'
import type { Host } from '../host.ts'
import { span } from '../input/span.ts'
import { collected, wholeNumber } from '../input/whole-number.ts'
import { obeyingSupervisor } from '../obey-supervisor.ts'
import { withMillrace } from '../session.ts'
import { superviseWorkers, type SuperviseFlags } from '../supervise-workers.ts'
import { listenForHealth } from '../worker-health.ts'

interface WorkerFlags extends ListenFlags, SuperviseFlags {
  readonly drain: number
}

const MOST_PROCESSES = 1_000
const MOST_AT_ONCE = 10_000

/** `millrace worker`: the handlers alone, in this process or in as many as are needed. */
export function addWorker(program: Command, host: Host): void {
  program
    .command('worker')
    .description('Run the handlers of the configuration, without a server, until Ctrl-C.')
    .option(
      '-p, --port <number>',
      'serve /healthz, /readyz and /metrics on this port; 0 takes a free one',
      wholeNumber(0, HIGHEST_PORT),
    )
    .option('--host <address>', 'the address of that port (default: 127.0.0.1)', '127.0.0.1')
    .option('--drain <span>', 'how long running handlers have to finish (default: 8s)', span, 8_000)
    .option(
      '--max <count>',
      'supervise up to so many worker processes (default: one for each core)',
      wholeNumber(1, MOST_PROCESSES),
    )
    .option('--min <count>', 'and at least so many (default: 1)', wholeNumber(0, MOST_PROCESSES))
    .option('--concurrency <count>', 'the most tasks at once in each (default: 10)', wholeNumber(1, MOST_AT_ONCE))
    .option('-q, --queue <name>', 'a queue to look at (repeatable; default: those of the configured tasks)', collected)
    .option('--max-wait <span>', 'how long tasks may wait before there are more (default: 1s)', span)
    .addHelpText(
      'after',
      '\nExamples:\n  millrace worker\n  millrace worker --config ./mail.config.ts --port 9100\n  millrace worker --min 1 --max 4 --port 9100\n\nPrints "ready" on a line when it handles. Start as many as you like: they share the work.',
    )
    .action((flags: WorkerFlags, command: Command) =>
      flags.max === undefined && flags.min === undefined
        ? work(host, command, flags)
        : superviseWorkers(host, command, flags),
    )
}

function work(host: Host, command: Command, flags: WorkerFlags): Promise<void> {
  if (flags.concurrency !== undefined || flags.queue !== undefined || flags.maxWait !== undefined) {
    throw wrongUse('--concurrency, --queue and --max-wait are of a supervisor: give --max, too.')
  }
  const { port, host: address = '127.0.0.1', drain } = flags
  return withMillrace(host, command, { creates: true, endsOnSignal: true, closeMs: drain }, async (session) => {
    const { output } = session
    const isLed = await obeyingSupervisor(session)
    await using server = await serverOf(session, {})
    await using health = port === undefined ? undefined : await listenForHealth(server, { port, host: address })
    // The output of a supervised process is that of its supervisor, which says itself when it is ready.
    if (!isLed) {
      if (output.isJson) await output.jsonLine({ ready: health?.url ?? null })
      else await output.line(health === undefined ? 'ready' : `ready ${health.url}`)
    }
    await untilInterrupted(host.signal)
    if (!isLed) output.note('stopping: running handlers may finish')
  })
}
