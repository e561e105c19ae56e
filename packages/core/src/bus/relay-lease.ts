import type { OutboxStore, RelayLease as StoredLease } from '../driver/outbox-store.ts'
import { wait } from '../runtime/abort.ts'
import type { Runtime } from '../runtime/runtime.ts'

/** The lease of the relay, as one process sees it. */
export interface RelayLeaseHolder {
  /** The token while it is held; otherwise tries to get it, rests a little, and gives undefined. */
  hold(): Promise<number | undefined>
  /** The token has moved on. */
  lose(): void
  /** At least this often `hold` must be called, in milliseconds. */
  readonly renewEveryMs: number
  release(): Promise<void>
}

/** Between two looks at least, also where somebody else was quicker to claim what had come free. */
const MIN_REST_MS = 10

/** Takes the lease when it is free, or when its holder has not counted up for a whole lease on this process's clock. */
export function createRelayLease({
  owner,
  store,
  runtime,
  leaseMs,
  stopping,
}: {
  readonly owner: string
  readonly store: OutboxStore
  readonly runtime: Runtime
  readonly leaseMs: number
  readonly stopping: AbortSignal
}): RelayLeaseHolder {
  const renewEveryMs = leaseMs * 0.65
  let token: number | undefined
  let renewedAt = 0
  let seen: StoredLease | undefined
  let seenAt = 0

  async function tryToGet(): Promise<number | undefined> {
    const stored = await store.observe()
    const now = runtime.monotonic()
    const moved = seen === undefined || seen.token !== stored.token || seen.count !== stored.count
    if (moved) {
      seen = stored
      seenAt = now
    }
    const isFree = stored.owner === undefined || stored.owner === owner || now - seenAt >= leaseMs
    if (isFree) token = await store.claim(owner, stored)
    renewedAt = now
    return token
  }

  /** Often enough to see soon that the holder counts up, and not later than it is held for dead. */
  function untilNextLook(): number {
    return Math.max(MIN_REST_MS, Math.min(leaseMs * 0.4, seenAt + leaseMs - runtime.monotonic()))
  }

  return {
    async hold() {
      if (token === undefined) {
        if ((await tryToGet()) === undefined) await wait(runtime, untilNextLook(), stopping)
        return token
      }
      if (runtime.monotonic() - renewedAt < renewEveryMs) return token
      const now = runtime.monotonic()
      if (await store.renew(token)) renewedAt = now
      else token = undefined
      return token
    },
    renewEveryMs,
    lose: () => void (token = undefined),
    async release() {
      if (token !== undefined) await store.release(token)
      token = undefined
    },
  }
}
