import { createMillrace } from '@millrace/core'
import type { Driver, Engine } from '@millrace/core/driver'
import { recordingEngine, waitFor, type Unstamped } from '@millrace/core/testing'
import { crashEngine } from './crash-engine.ts'
import { GROUPS, LEASE_MS, TOPICS } from './events.ts'
import { machineNow } from './history-file.ts'
import { withDriver } from './with-driver.ts'

/** Without any progress for this long the groups are stuck: the longest wait between two attempts is 5.5 s. */
const STUCK_MS = 30_000
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
  await requeueAll(await crashEngine(engine), record)
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

async function groupsOf({
  transport,
  stores,
}: Driver): Promise<readonly { readonly group: string; readonly lag: number; readonly waiting: number }[]> {
  const state = []
  for (const { group, events } of GROUPS) {
    let lag = 0
    for (const topic of new Set(events.map((definition) => definition.topic))) {
      for (const partition of await transport.lag(topic, group)) lag += partition.lag
    }
    const { waiting, parked } = await stores.lane.counts(group)
    state.push({ group, lag, waiting: waiting - parked })
  }
  return state
}

async function requeueAll(operator: Engine, record: Draining['record']): Promise<void> {
  const engine = recordingEngine(operator, { record, now: machineNow })
  await using millrace = createMillrace({ name: 'operator', engine, leaseMs: LEASE_MS, topics: TOPICS })
  for (const { group } of GROUPS) {
    for (;;) {
      const letters = await millrace.deadLetters.list({ group, limit: 500 })
      if (letters.length === 0) break
      const ids = letters.map(({ eventId }) => eventId)
      record({ kind: 'requeue', phase: 'invoke', group, ids })
      await millrace.deadLetters.requeue(letters.map(({ id }) => id))
      record({ kind: 'requeue', phase: 'ok', group, ids })
    }
  }
}
