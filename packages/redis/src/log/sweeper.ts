import { isMillraceError, type Timer } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { trimTopic } from './trim.ts'
import type { Registry } from './registry.ts'

/** Drops what retention lets go, in the background. */
export interface Sweeper {
  /** Something was stored in a topic with limits: look soon. */
  hint(topic: string): void
  stop(): Promise<void>
}

const HINT_EVERY_MS = 250

export function createSweeper(redis: Connection, registry: Registry): Sweeper {
  const { runtime, settings } = redis
  let timer: Timer | undefined
  let timerAt = Infinity
  let sweeping: Promise<void> = Promise.resolve()
  let stopped = false
  schedule(settings.retentionEveryMs)

  function schedule(inMs: number): void {
    const at = runtime.monotonic() + inMs
    if (stopped || at >= timerAt) return
    timer?.cancel()
    timerAt = at
    timer = runtime.setTimer(() => {
      timerAt = Infinity
      sweeping = sweeping.then(sweep)
    }, inMs)
  }

  async function sweep(): Promise<void> {
    try {
      for (const topic of await registry.all()) {
        if (stopped) return
        const { maxAgeMs, maxEvents, maxBytes } = topic.retention
        if (maxAgeMs === undefined && maxEvents === undefined && maxBytes === undefined) continue
        // What fails for one topic keeps no other from its turn.
        await trimTopic(redis, registry, topic).catch(warn)
      }
    } catch (error) {
      warn(error)
    } finally {
      schedule(settings.retentionEveryMs)
    }
  }

  /** The next sweep makes up for it; that the server is away is said elsewhere, once. */
  function warn(error: unknown): void {
    if (!stopped && !isMillraceError(error)) runtime.log.warn(`Retention failed: ${String(error)}`)
  }

  return {
    hint: () => schedule(Math.min(HINT_EVERY_MS, settings.retentionEveryMs)),
    async stop() {
      stopped = true
      timer?.cancel()
      await sweeping
    },
  }
}
