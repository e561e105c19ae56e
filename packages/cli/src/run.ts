import { createRequire } from 'node:module'
import { CommanderError } from 'commander'
import { exitCodeOf, wrongUse } from './failure.ts'
import { createHost, type Host } from './host.ts'
import { createOutput } from './output/output.ts'
import { createProgram } from './program.ts'

/** Runs the command line of this process and ends the process with its exit code. */
export async function run(args: readonly string[]): Promise<void> {
  const host = createHost()
  let isDone = false
  process.once('beforeExit', () => {
    if (isDone) return
    host.stderr.write(
      'error: The configuration waits for something that never happens (a promise in it does not settle).\n',
    )
    process.exit(2)
  })
  await act(host, args)
  isDone = true
  await flushed(host)
  process.exit(host.isPipeClosed() ? 0 : host.exitCode())
}

async function act(host: Host, args: readonly string[]): Promise<void> {
  const json = args.includes('--json')
  const output = createOutput(host, { json, color: !args.includes('--no-color') })
  const program = createProgram(host, versionOf(), { quiet: json })
  try {
    if (args.length === 0) program.outputHelp()
    else await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return
      if (json) output.error(wrongUse(sentenceOf(error)))
      return host.fail(2)
    }
    if (host.isPipeClosed()) return
    output.error(error)
    if (args.includes('--verbose') && error instanceof Error && !json)
      host.stderr.write(`code: ${'code' in error ? String(error.code) : 'internal'}\n`)
    host.fail(exitCodeOf(error))
  }
}

/** What commander says on two lines, as one sentence after the other. */
function sentenceOf({ message }: CommanderError): string {
  return message.replace(/^error: /, '').replaceAll('\n', ' ')
}

/** Exiting at once would cut what is still on its way into a pipe. */
async function flushed(host: Host): Promise<void> {
  if (host.isPipeClosed()) return
  await Promise.all([host.stdout, host.stderr].map((stream) => new Promise((resolve) => stream.write('', resolve))))
}

function versionOf(): string {
  const manifest: unknown = createRequire(import.meta.url)('../package.json')
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown'
}
