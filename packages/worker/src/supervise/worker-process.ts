import { fork, spawn, type ChildProcess } from 'node:child_process'
import type { LoadMessage, ProcessLoad, SlotsMessage } from './load.ts'

/** What to start. */
export interface ProcessRecipe {
  /** A module for Node, or a command with its arguments. */
  readonly start: { readonly module: string } | { readonly command: readonly [string, ...string[]] }
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly stopTimeoutMs: number
}

/** A worker process. */
export interface WorkerProcess {
  readonly pid: number | undefined
  readonly startedAtMs: number
  /** What it said last; undefined before it has said something. */
  readonly load: ProcessLoad | undefined
  readonly isStopping: boolean
  /** Resolves when it has said something for the first time; never when it ends before. */
  readonly up: Promise<void>
  /** Resolves when it is gone. */
  readonly ended: Promise<Ending>
  /** Gives it room for so many tasks. */
  setSlots(slots: number): void
  /** Asks it to finish and to go, and ends it when it does not within the time for that. */
  stop(): Promise<Ending>
}

export interface Ending {
  readonly code: number | null
  readonly signal: string | null
  readonly error: Error | undefined
}

/** Starts a process with room for so many tasks. Never throws: what cannot be started has ended. */
export function startProcess({ start, args, env, stopTimeoutMs }: ProcessRecipe, slots: number): WorkerProcess {
  const child = launch(start, args, { ...process.env, ...env, MILLRACE_WORKER_SLOTS: String(slots) })
  const { promise: ended, resolve } = Promise.withResolvers<Ending>()
  const { promise: up, resolve: isUp } = Promise.withResolvers<void>()
  let load: ProcessLoad | undefined
  let told = slots
  let hasEnded = false
  let stopping: Promise<Ending> | undefined
  const end = (ending: Ending): void => {
    hasEnded = true
    resolve(ending)
  }
  child.on('message', (message) => {
    if (!isLoad(message)) return
    ;({ load } = message)
    isUp()
  })
  child.on('error', (error) => {
    if (child.pid === undefined) end({ code: null, signal: null, error })
  })
  child.on('exit', (code, signal) => end({ code, signal, error: undefined }))

  async function stop(): Promise<Ending> {
    if (hasEnded) return ended
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
    const ending = await ended
    clearTimeout(timer)
    return ending
  }

  return {
    pid: child.pid,
    startedAtMs: performance.now(),
    get load() {
      return load
    },
    get isStopping() {
      return stopping !== undefined
    },
    up,
    ended,
    setSlots(wanted) {
      if (wanted === told || !child.connected) return
      told = wanted
      const message: SlotsMessage = { millrace: 'slots', slots: wanted }
      child.send(message, () => {})
    },
    stop: () => (stopping ??= stop()),
  }
}

function launch(start: ProcessRecipe['start'], args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  if ('module' in start) return fork(start.module, [...args], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [program, ...own] = start.command
  return spawn(program, [...own, ...args], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}

function isLoad(message: unknown): message is LoadMessage {
  return typeof message === 'object' && message !== null && 'millrace' in message && message.millrace === 'load'
}
