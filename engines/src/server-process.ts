import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { endWithFolder, leaveFolder } from './data-folder.ts'

/** A running server with its output awaited. */
export interface ServerProcess {
  readonly pid: number
  readonly running: boolean
  /** Sends the signal and settles when the process is gone; after `patienceMs` (default 10,000) with SIGKILL. */
  end(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL', patienceMs?: number): Promise<void>
}

/** What to run, and by which line of its output it is known to be ready. */
export interface ServerCommand {
  readonly file: string
  readonly args: readonly string[]
  readonly ready: RegExp
  /** Where its data are; server and folder go when this process dies before it has stopped the server. */
  readonly folder: string
  /** Milliseconds until the ready line. Default 120,000. */
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
  const { pid } = child
  if (pid !== undefined) {
    endWithFolder(command.folder, pid)
    void gone.then(() => leaveFolder(command.folder, pid))
  }
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
  const within = command.startWithinMs ?? 120_000
  const late = setTimeout(() => {
    ready.reject(new Error(`${command.file} was not ready within ${within} ms:\n${said.join('\n')}`))
  }, within)
  await ready.promise.finally(() => clearTimeout(late))
}
