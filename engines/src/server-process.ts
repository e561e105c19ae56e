import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'

/** A running server with its output awaited. */
export interface ServerProcess {
  readonly pid: number
  readonly running: boolean
  /** Sends the signal and settles when the process is gone; after `patienceMs` (default 10,000) with SIGKILL. */
  end(signal: 'SIGTERM' | 'SIGKILL', patienceMs?: number): Promise<void>
}

/** What to run, and by which line of its output it is known to be ready. */
export interface ServerCommand {
  readonly file: string
  readonly args: readonly string[]
  readonly ready: RegExp
  /** Removed with the process when this process dies before it has stopped the server. */
  readonly folder: string
  /** Milliseconds until the ready line. Default 30,000. */
  readonly startWithinMs?: number
}

/** Starts a server, waits for its ready line, and sees to it that it never outlives this process. Throws with its last lines when it ends early. */
export async function startServerProcess(command: ServerCommand): Promise<ServerProcess> {
  const child = spawn(command.file, command.args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const end: ServerProcess['end'] = async (signal, patienceMs = 10_000) => {
    child.kill(signal)
    const patience = setTimeout(() => child.kill('SIGKILL'), patienceMs)
    await gone
    clearTimeout(patience)
  }
  const guard = guardAgainstOwnDeath(child, command.folder)
  void gone.then(() => guard?.kill('SIGKILL'))
  try {
    await readyLine(child, command, gone)
  } catch (error) {
    await end('SIGKILL')
    throw error
  }
  return {
    pid: child.pid ?? 0,
    get running() {
      return child.exitCode === null && child.signalCode === null
    },
    end,
  }
}

async function readyLine(child: ChildProcess, command: ServerCommand, gone: Promise<void>): Promise<void> {
  const said: string[] = []
  const ready = Promise.withResolvers<void>()
  for (const output of [child.stdout, child.stderr]) {
    if (output === null) continue
    createInterface(output).on('line', (line) => {
      said.push(line)
      if (said.length > 20) said.shift()
      if (command.ready.test(line)) ready.resolve()
    })
  }
  child.once('error', ready.reject)
  void gone.then(() => ready.reject(new Error(`${command.file} ended before it was ready:\n${said.join('\n')}`)))
  const within = command.startWithinMs ?? 30_000
  const late = setTimeout(() => {
    ready.reject(new Error(`${command.file} was not ready within ${within} ms:\n${said.join('\n')}`))
  }, within)
  await ready.promise.finally(() => clearTimeout(late))
}

/**
 * A shell that reads from a pipe held open by this process: the pipe closes however this process ends, and the shell then ends the server
 * and removes its folder. It leads a group of its own so that a terminal's Ctrl-C does not end it first.
 */
function guardAgainstOwnDeath(child: ChildProcess, folder: string): ChildProcess | undefined {
  if (child.pid === undefined) return undefined
  const afterwards = 'read -r _; kill -9 "$1" 2>/dev/null; rm -rf "$2"'
  const guard = spawn('sh', ['-c', afterwards, 'guard', String(child.pid), folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  guard.unref()
  guard.on('error', () => undefined)
  return guard
}
