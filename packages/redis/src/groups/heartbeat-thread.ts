import { parentPort } from 'node:worker_threads'
import type { Runtime } from '@millrace/core/driver'
import { type Connection, createConnection } from '../client/connection.ts'
import { openLink } from '../client/open-link.ts'
import type { Settings } from '../settings.ts'
import { type BeatOrder, createHeartbeats } from './heartbeats.ts'

/** From the main thread: each `engine` is one opened driver. */
export type HeartbeatMessage =
  | { readonly kind: 'open'; readonly engine: number; readonly settings: Settings; readonly where: string }
  | { readonly kind: 'start'; readonly engine: number; readonly order: BeatOrder }
  | { readonly kind: 'stop'; readonly engine: number; readonly member: string }
  | { readonly kind: 'close'; readonly engine: number }

interface Beater {
  start(order: BeatOrder): void
  stop(member: string): void
  close(): void
}

const PAUSE_MS = 1_000

/** The thread's own clocks and timers, for here no simulation reaches; what is to be said the main thread says. */
const runtime: Runtime = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(run, ms) {
    const handle = setTimeout(run, ms)
    return { cancel: () => clearTimeout(handle) }
  },
  defer: (run) => void setImmediate(run),
  afterPromises: (run) => process.nextTick(run),
  random: () => Math.random(),
  id: () => crypto.randomUUID(),
  log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
}

/** Counts up over a connection of its own, which it opens again and again until it stands. */
function createBeater(settings: Settings, where: string): Beater {
  const orders = new Map<string, BeatOrder>()
  let redis: Connection | undefined
  let beats: ReturnType<typeof createHeartbeats> | undefined
  let closed = false
  void open()

  async function open(): Promise<void> {
    while (!closed) {
      const link = await openLink(settings, runtime)
      const opening = createConnection(link, { settings, runtime, where })
      try {
        await link.connect()
      } catch {
        await opening.close().catch(() => undefined)
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
        continue
      }
      if (closed) return opening.close()
      redis = opening
      beats = createHeartbeats(opening)
      for (const order of orders.values()) beats.start(order)
      return
    }
  }

  return {
    start(order) {
      orders.set(order.member, order)
      beats?.start(order)
    },
    stop(member) {
      orders.delete(member)
      beats?.stop(member)
    },
    close() {
      closed = true
      beats?.stopAll()
      void redis?.close()
    },
  }
}

const beaters = new Map<number, Beater>()

parentPort?.on('message', (message: HeartbeatMessage) => {
  if (message.kind === 'open') beaters.set(message.engine, createBeater(message.settings, message.where))
  else if (message.kind === 'start') beaters.get(message.engine)?.start(message.order)
  else if (message.kind === 'stop') beaters.get(message.engine)?.stop(message.member)
  else {
    beaters.get(message.engine)?.close()
    beaters.delete(message.engine)
  }
})
