import type { OutboxStore } from '../driver/outbox-store.ts'
import { wait } from '../runtime/abort.ts'
import { backoffDelay } from '../runtime/backoff.ts'
import { isMillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { channels } from './diagnostics.ts'
import { forwardRows, type RelayTarget } from './relay-batch.ts'
import { createRelayLease } from './relay-lease.ts'

/** Forwards what the outbox holds, while this process has the lease. */
export interface Relay {
  /** A row was written whose transaction will probably commit soon. */
  nudge(): void
  /** Ends the loop after the batch in hand and gives the lease up. Idempotent. */
  stop(): Promise<void>
}

export interface RelayOptions {
  readonly millrace: string
  /** Unique per process. */
  readonly owner: string
  readonly store: OutboxStore
  readonly target: RelayTarget
  readonly runtime: Runtime
  /** Milliseconds after which a silent holder is held for dead. */
  readonly leaseMs: number
  readonly onError: (error: unknown) => void
}

const BATCH_ROWS = 500
/** How often an idle holder looks while hints of new rows arrive, and while none do, in milliseconds. */
const IDLE_TOLD_MS = 15_000
const IDLE_ALONE_MS = 1_000
/** After a nudge: the first look, and up to when looks double their distance. A commit that takes longer is found by an idle look. */
const FIRST_LOOK_MS = 2
const AWAY_BACKOFF = { first: 100, factor: 2, ceiling: 5_000 }

/**
 * One batch after the other: take, forward, settle. A crash between the last two forwards the batch again, with the same ids;
 * an engine with dedupe stores it once. While the target is away nothing is marked as failed: the whole relay waits.
 */
export function createRelay(options: RelayOptions): Relay {
  const { store, runtime, target } = options
  const stopping = new AbortController()
  const lease = createRelayLease({ ...options, stopping: stopping.signal })
  let wake = new AbortController()
  /** When to look next, and how long after that if there is nothing. */
  let lookAt = 0
  let lookMs = IDLE_ALONE_MS
  let away = 0
  let reported = false
  let stopped: Promise<void> | undefined
  const hints = store.listen?.(nudge)
  const finished = loop()

  function nudge(): void {
    lookMs = FIRST_LOOK_MS
    lookAt = 0
    wake.abort()
  }

  async function loop(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        const token = await lease.hold()
        if (token === undefined) continue
        await work(token)
        reported = false
      } catch (error) {
        if (isMillraceError(error, 'closed')) return
        if (!reported) options.onError(error)
        reported = true
        away += 1
        await wait(runtime, backoffDelay(AWAY_BACKOFF, away, 0.5 + runtime.random() / 2), stopping.signal)
      }
    }
  }

  /** A rest until there is reason to look, or one batch. */
  async function work(token: number): Promise<void> {
    const restMs = lookAt - runtime.monotonic()
    if (restMs > 0) {
      wake = new AbortController()
      return wait(runtime, Math.min(restMs, lease.renewEveryMs), AbortSignal.any([wake.signal, stopping.signal]))
    }
    const rows = await store.take(BATCH_ROWS)
    if (rows.length === 0) return lookLater()
    const started = runtime.monotonic()
    const batch = await forwardRows(rows, target, runtime)
    if (channels.relay.hasSubscribers) {
      const { done, failed } = batch
      const durationMs = runtime.monotonic() - started
      channels.relay.publish({ millrace: options.millrace, forwarded: done.length, failed: failed.length, durationMs })
    }
    if (batch.away !== undefined) throw batch.away
    away = 0
    for (const { error } of batch.failed) options.onError(error)
    const failed = batch.failed.map(({ rowId, delayMs, error }) => ({
      rowId,
      delayMs,
      code: error.code,
      message: error.message,
    }))
    if ((await store.settle({ token, done: batch.done, failed })) === 'fenced') lease.lose()
    lookMs = FIRST_LOOK_MS
  }

  /** Each look in vain doubles the time to the next one. */
  function lookLater(): void {
    const idleMs = hints?.arriving === true ? IDLE_TOLD_MS : IDLE_ALONE_MS
    lookAt = runtime.monotonic() + Math.min(lookMs, idleMs)
    lookMs = Math.min(idleMs, lookMs * 2)
  }

  return {
    nudge,
    stop: () =>
      (stopped ??= (async () => {
        stopping.abort()
        hints?.stop()
        await finished
        // Where the store is away, the lease runs out by itself.
        await lease.release().catch(() => {})
      })()),
  }
}
