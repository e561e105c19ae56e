import type { Command } from 'commander'
import { HIGHEST_PORT, serverOf, subscribeAll, untilInterrupted, type ListenFlags } from '../application.ts'
import type { Host } from '../host.ts'
import { wholeNumber } from '../input/whole-number.ts'
import { withMillrace } from '../session.ts'
import { listenForHealth } from '../worker-health.ts'

/** `millrace worker`: the handlers alone. */
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
    .addHelpText(
      'after',
      '\nExamples:\n  millrace worker\n  millrace worker --config ./mail.config.ts --port 9100\n\nPrints "ready" on a line when it handles. Start as many as you like: they share the work.',
    )
    .action((flags: ListenFlags, command: Command) =>
      withMillrace(host, command, { creates: true, endsOnSignal: true }, async (session) => {
        const { output } = session
        const { port, host: address = '127.0.0.1' } = flags
        await subscribeAll(session)
        await using server = await serverOf(session, {})
        await using health = port === undefined ? undefined : await listenForHealth(server, { port, host: address })
        if (output.isJson) await output.jsonLine({ ready: health?.url ?? null })
        else await output.line(health === undefined ? 'ready' : `ready ${health.url}`)
        await untilInterrupted(host.signal)
        output.note('stopping: running handlers may finish')
      }),
    )
}
