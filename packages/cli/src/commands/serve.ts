import type { Command } from 'commander'
import { HIGHEST_PORT, serverOf, untilInterrupted, type ListenFlags } from '../application.ts'
import type { Host } from '../host.ts'
import { wholeNumber } from '../input/whole-number.ts'
import { withMillrace } from '../session.ts'

/** `millrace serve`: the HTTP side alone. */
export function addServe(program: Command, host: Host): void {
  program
    .command('serve')
    .description('Run the HTTP API and the operator page, without handlers, until Ctrl-C.')
    .option('-p, --port <number>', 'the port; 0 takes a free one (default: 4400)', wholeNumber(0, HIGHEST_PORT))
    .option('--host <address>', 'the address (default: 127.0.0.1)')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace serve\n  millrace serve --engine sqlite:./app.db --port 8080\n\nPrints "ready URL" on a line when it serves.',
    )
    .action((flags: ListenFlags, command: Command) =>
      withMillrace(host, command, { creates: true, endsOnSignal: true }, async (session) => {
        const server = await serverOf(session, flags)
        try {
          const { url } = await server.listen()
          if (session.output.isJson) await session.output.jsonLine({ ready: url })
          else await session.output.line(`ready ${url}`)
          await untilInterrupted(host.signal)
        } finally {
          await server.close()
        }
      }),
    )
}
