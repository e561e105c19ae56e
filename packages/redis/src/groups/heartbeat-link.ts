import { Worker } from 'node:worker_threads'
import type { Connection } from '../client/connection.ts'
import { type BeatOrder, createHeartbeats, type Heartbeats } from './heartbeats.ts'
import type { HeartbeatMessage } from './heartbeat-thread.ts'

let thread: Worker | undefined
let engines = 0

/**
 * Heartbeats from a thread, which go on while a handler blocks this one. All drivers of a process share the thread, and each
 * has a connection of its own there. A client that the caller has handed in cannot go there: its beats come from this thread.
 */
export function startHeartbeats(redis: Connection): Heartbeats {
  const { settings, where } = redis
  if (settings.client !== undefined || !canBeSent(settings)) return createHeartbeats(redis)
  const engine = (engines += 1)
  let opened = false
  const send = (message: HeartbeatMessage): void => theThread().postMessage(message)
  return {
    start(order: BeatOrder) {
      if (!opened) send({ kind: 'open', engine, settings, where })
      opened = true
      send({ kind: 'start', engine, order })
    },
    stop(member) {
      if (opened) send({ kind: 'stop', engine, member })
    },
    stopAll() {
      if (opened) send({ kind: 'close', engine })
      opened = false
    },
  }
}

/** The one thread; it is never ended, for V8 may lose count of its code pages when threads end while others run. */
function theThread(): Worker {
  if (thread !== undefined) return thread
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const started = new Worker(new URL(`./heartbeat-thread.${extension}`, import.meta.url), { name: 'millrace-redis' })
  const forget = (): void => {
    if (thread === started) thread = undefined
  }
  started.on('error', forget).on('exit', forget)
  started.unref()
  thread = started
  return started
}

/** TLS settings may hold functions, which no thread can be sent. */
function canBeSent(settings: object): boolean {
  try {
    structuredClone(settings)
    return true
  } catch {
    return false
  }
}
