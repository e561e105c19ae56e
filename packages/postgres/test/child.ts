import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** A process of its own that runs a script of `test/processes`. */
export interface Child {
  readonly process: ChildProcess
  /** Resolves when it has written its first line. Rejects when it ends before. */
  readonly ready: Promise<void>
  /** Resolves with the code or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>
}

/** Starts one, which is killed at the end of the test. */
export function startChild(script: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Child {
  const path = fileURLToPath(new URL(`./processes/${script}`, import.meta.url))
  const child = spawn(process.execPath, ['--conditions=millrace-source', path, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  })
  const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals | null)
  const ready = Promise.race([
    once(child.stdout, 'data').then(() => undefined),
    ended.then((how) => Promise.reject(new Error(`${script} ended (${String(how)}) before it was ready.`))),
  ])
  ready.catch(() => undefined)
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await ended
  })
  return { process: child, ready, ended }
}
