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
/** How often an idle holder looks where the store tells of new rows, and where it does not, in milliseconds. */
const IDLE_TOLD_MS = 5_000
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
  let lookMs = IDLE_ALONE_MS
  let away = 0
  let reported = false
  let stopped: Promise<void> | undefined
  const idleMs = store.listen === undefined ? IDLE_ALONE_MS : IDLE_TOLD_MS
  const stopListening = store.listen?.(nudge)
  const finished = loop()

  function nudge(): void {
    lookMs = FIRST_LOOK_MS
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

  /** One batch, and then a rest when there is no more. */
  async function work(token: number): Promise<void> {
    wake = new AbortController()
    const rows = await store.take(BATCH_ROWS)
    if (rows.length === 0) return rest(nextLook())
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
    if (rows.length < BATCH_ROWS) lookMs = Math.min(lookMs, FIRST_LOOK_MS)
  }

  function nextLook(): number {
    const now = Math.min(lookMs, idleMs)
    lookMs = Math.min(idleMs, lookMs * 2)
    return now
  }

  function rest(ms: number): Promise<void> {
    return wait(runtime, ms, AbortSignal.any([wake.signal, stopping.signal]))
  }

  return {
    nudge,
    stop: () =>
      (stopped ??= (async () => {
        stopping.abort()
        stopListening?.()
        await finished
        await lease.release()
      })()),
  }
}
