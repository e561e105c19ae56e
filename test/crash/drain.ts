import type { Driver } from '@millrace/core/driver'
import { waitFor, type Unstamped } from '@millrace/core/testing'
import { groupsOf } from './backlog.ts'
import { machineNow } from './history-file.ts'
import { requeueAll } from './operator.ts'
import { withDriver } from './with-driver.ts'

/** Without any progress for this long the groups are stuck: the longest wait between two attempts is 5.5 s. */
const STUCK_MS = 90_000
const DRAIN_MS = 300_000

export interface Draining {
  /** The URL of the engine. */
  readonly engine: string
  readonly record: (entry: Unstamped) => void
  /** Tells all members that their handlers succeed from now on. */
  readonly healed: () => void
  /** For planted bugs: gives up after so long without progress, in milliseconds, and leaves the verdict to the checker. */
  readonly giveUpAfterMs?: number | undefined
  /** Whether the dead letters are sent around again. Default true. */
  readonly requeue?: boolean
}

/** Waits until all is handled, sends the dead letters around once more, and waits again. Fails when nothing moves for a while. */
export async function drainAll({ engine, record, healed, giveUpAfterMs, requeue = true }: Draining): Promise<void> {
  const drain = (): Promise<void> => withDriver(engine, (driver) => drained(driver, giveUpAfterMs))
  await drain()
  healed()
  if (!requeue) return
  await requeueAll(engine, record)
  await drain()
}

/** Lag 0, and nothing in the lanes but what is parked behind a dead letter. */
async function drained(driver: Driver, giveUpAfterMs: number | undefined): Promise<void> {
  let least = Infinity
  let movedAt = machineNow()
  await waitFor(
    async () => {
      const state = await groupsOf(driver)
      const left = state.reduce((sum, { lag, waiting }) => sum + lag + waiting, 0)
      if (left < least) movedAt = machineNow()
      least = Math.min(least, left)
      if (machineNow() - movedAt > (giveUpAfterMs ?? Infinity)) return true
      if (machineNow() - movedAt > STUCK_MS) throw new Error(`The groups stand still at ${JSON.stringify(state)}.`)
      return left === 0
    },
    { timeoutMs: DRAIN_MS, everyMs: 200, what: 'the groups to drain' },
  )
}
