import { Worker } from 'node:worker_threads'
import type { ClientConfig } from 'pg'
import { clientConfig, quoted } from '../database/client.ts'
import type { Settings } from '../settings.ts'
import type { BackupMessage, BackupOrder } from './backup-thread.ts'

/** Counts up for the members of this process while its own thread is blocked, from a thread that all drivers share. */
export interface BackupBeats {
  /** `beats[0]` changes whenever this thread has counted up for the member itself. */
  start(order: Omit<BackupOrder, 'schema'>): void
  stop(member: string): void
  close(): void
}

let thread: Worker | undefined
let engines = 0

/** A pool that the application has handed in, or TLS settings with functions, cannot go to a thread: then there is no backup. */
export function createBackupBeats(settings: Settings): BackupBeats {
  const config = settings.pool === undefined ? sendable(clientConfig(settings, {})) : undefined
  if (config === undefined) return { start: () => {}, stop: () => {}, close: () => {} }
  const engine = (engines += 1)
  let opened = false
  const send = (message: BackupMessage): void => theThread().postMessage(message)
  return {
    start(order) {
      if (!opened) send({ kind: 'open', engine, config })
      opened = true
      send({ kind: 'start', engine, order: { ...order, schema: quoted(settings.schema) } })
    },
    stop(member) {
      if (opened) send({ kind: 'stop', engine, member })
    },
    close() {
      if (opened) send({ kind: 'close', engine })
      opened = false
    },
  }
}

/** The one thread; it is never ended, for V8 may lose count of its code pages when threads end while others run. */
function theThread(): Worker {
  if (thread !== undefined) return thread
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const started = new Worker(new URL(`./backup-thread.${extension}`, import.meta.url), { name: 'millrace-postgres' })
  const forget = (): void => {
    if (thread === started) thread = undefined
  }
  started.on('error', forget).on('exit', forget)
  started.unref()
  thread = started
  return started
}

function sendable(config: ClientConfig): ClientConfig | undefined {
  try {
    return structuredClone(config)
  } catch {
    return undefined
  }
}
