import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Command } from 'commander'
import { HIGHEST_PORT, serverOf, subscribeAll, untilInterrupted, type ListenFlags } from '../application.ts'
import type { Host } from '../host.ts'
import { wholeNumber } from '../input/whole-number.ts'
import { outputOf, withMillrace } from '../session.ts'
import { watchSources } from '../watch-sources.ts'

interface DevFlags extends ListenFlags {
  readonly reload: boolean
}

/** `millrace dev`: the configuration with the operator page, loaded again on change. */
export function addDev(program: Command, host: Host): void {
  program
    .command('dev')
    .description('Run the configuration with the operator page, and again whenever a source file changes.')
    .option('-p, --port <number>', 'the port; 0 takes a free one (default: 4400)', wholeNumber(0, HIGHEST_PORT))
    .option('--host <address>', 'the address (default: 127.0.0.1)')
    .option('--no-reload', 'run once, without watching files')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace dev\n  millrace dev --port 8080\n\nWithout an engine it makes and uses sqlite:./.millrace/millrace.db.',
    )
    .action((flags: DevFlags, command: Command) =>
      flags.reload ? supervise(host, command) : runOnce(host, command, flags),
    )
}

function runOnce(host: Host, command: Command, flags: DevFlags): Promise<void> {
  return withMillrace(host, command, { creates: true, makeDefault: true, endsOnSignal: true }, async (session) => {
    const { output, settings } = session
    if (settings.config.subscriptions === undefined)
      output.note('The configuration has no subscriptions: nothing is handled here.')
    else await subscribeAll(session)
    await using server = await serverOf(session, flags)
    const { url } = await server.listen()
    output.note(`engine ${settings.engineName}`)
    if (output.isJson) await output.jsonLine({ ready: url })
    else await output.line(`ready ${url}`)
    await untilInterrupted(host.signal)
  })
}

/** Sources are loaded into a process of their own, since a module that was imported stays as it was. */
async function supervise(host: Host, command: Command): Promise<void> {
  const output = outputOf(host, command)
  const changes = watchSources(host.cwd)
  try {
    while (!host.signal.aborted) {
      const child = startChild()
      const reason = await Promise.race([
        once(child, 'exit').then(() => 'ended' as const),
        changes.next().then((path) => ({ path })),
        untilInterrupted(host.signal).then(() => 'interrupted' as const),
      ])
      if (reason === 'ended' && !host.signal.aborted) {
        output.note('It has ended. Waiting for a change of a source file.')
        const next = await Promise.race([changes.next().then((path) => ({ path })), untilInterrupted(host.signal)])
        if (next !== undefined) output.note(`${next.path} has changed: starting again`)
      } else if (typeof reason === 'object') output.note(`${reason.path} has changed: starting again`)
      await stopChild(child)
    }
  } finally {
    changes.close()
  }
}

function startChild(): ChildProcess {
  const [program = '', ...args] = process.argv.slice(1)
  return spawn(process.execPath, [...process.execArgv, program, ...args, '--no-reload'], {
    // The channel tells the child when this process dies without a word.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}

const KILL_AFTER_MS = 12_000

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS)
  await exited
  clearTimeout(killer)
}
