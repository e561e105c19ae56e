import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createMillrace, systemRuntime } from '@millrace/core'
import { createRandom, recordingEngine, waitFor } from '@millrace/core/testing'
import { sqlite } from '@millrace/sqlite'
import { checkCrashes, type CrashReport } from './checker.ts'
import { GROUPS, LEASE_MS, TOPICS } from './events.ts'
import { readFinalState } from './final-state.ts'
import { machineNow, openHistory, readHistories } from './history-file.ts'
import { DRIVER_POINTS, HARNESS_POINTS } from './points.ts'
import { createSupervisor, type Worker } from './supervisor.ts'

export interface CrashRunOptions {
  readonly folder: string
  readonly kills: number
  readonly seed: number
  readonly workers?: number
}

export interface CrashRun extends CrashReport {
  /** How often each named point was hit. */
  readonly hits: Readonly<Record<string, number>>
}

/** Every worker in so many is armed with a named point; the others are killed at random. */
const ARMED_EVERY = 3
/** Without any progress for this long the groups are stuck: the longest wait between two attempts is 5.5 s. */
const STUCK_MS = 30_000
const DRAIN_MS = 300_000

/** Kills, pauses, adds and removes workers on one file, heals, drains, and judges what they wrote down. */
export async function crashRun({ folder, kills, seed, workers: count = 8 }: CrashRunOptions): Promise<CrashRun> {
  const histories = join(folder, 'histories')
  mkdirSync(histories, { recursive: true })
  const file = join(folder, 'crash.db')
  const random = createRandom(seed)
  const supervisor = createSupervisor({ file, histories })
  const points = [...DRIVER_POINTS, ...HARNESS_POINTS]
  let armed = 0
  const startOne = (): Worker => {
    const point = armed++ % ARMED_EVERY === 0 ? points[Math.floor(armed / ARMED_EVERY) % points.length] : undefined
    return supervisor.start({ publishEveryMs: 12, ...(point === undefined ? {} : { point }) })
  }
  const driver = sqlite({ path: file }).open(systemRuntime())
  try {
    await driver.transport.connect()
    let leaving = 0
    while (supervisor.kills < kills) {
      while (supervisor.workers.size < count) startOne()
      await sleep(random.between(40, 160))
      const up = [...supervisor.workers].filter(({ ready, paused, ended }) => ready && !paused && ended === undefined)
      // Those that are armed kill themselves; the others are chosen at random.
      // The two oldest are mostly spared, so that somebody lives long enough to take over and to have much in hand.
      const targets = up.filter(({ point }) => point === undefined).slice(random.chance(0.8) ? 2 : 0)
      const target = targets[random.between(0, targets.length - 1)]
      if (target === undefined) continue
      const dice = random.next()
      if (dice < 0.05) supervisor.pause(target, random.between(1_200, 2_500))
      else if (dice < 0.09 && leaving < 1) {
        leaving += 1
        void supervisor.leave(target).finally(() => (leaving -= 1))
      } else supervisor.kill(target)
    }
    await heal()
    const final = await readFinalState(driver)
    const hits = Object.fromEntries(points.map((point) => [point, supervisor.hits.get(point) ?? 0]))
    return { ...checkCrashes(readHistories(histories), final), hits }
  } finally {
    await supervisor.endAll()
    await driver.transport.close()
  }

  async function heal(): Promise<void> {
    for (const worker of supervisor.workers)
      if (worker.point !== undefined && worker.ended === undefined) supervisor.kill(worker)
    await waitFor(() => [...supervisor.workers].every(({ ended, paused }) => ended === undefined && !paused), {
      what: 'the killed to be gone',
    })
    while (supervisor.workers.size < 3) supervisor.start({ publishEveryMs: 0 })
    await waitFor(() => [...supervisor.workers].every(({ ready }) => ready), {
      what: 'the workers to be ready',
      timeoutMs: 30_000,
    })
    supervisor.tell('quiet')
    await drained()
    supervisor.tell('healed')
    await requeueAll()
    await drained()
    await Promise.all([...supervisor.workers].map((worker) => supervisor.leave(worker)))
  }

  /** Lag 0, and nothing in the lanes but what is parked behind a dead letter. Fails when nothing moves for a while. */
  async function drained(): Promise<void> {
    let least = Infinity
    let movedAt = machineNow()
    await waitFor(
      async () => {
        const state = await readFinalStateOfGroups()
        const left = state.reduce((sum, { lag, waiting }) => sum + lag + waiting, 0)
        if (left < least) movedAt = machineNow()
        least = Math.min(least, left)
        if (machineNow() - movedAt > STUCK_MS) throw new Error(`The groups stand still at ${JSON.stringify(state)}.`)
        return left === 0
      },
      { timeoutMs: DRAIN_MS, everyMs: 200, what: 'the groups to drain' },
    )
  }

  async function readFinalStateOfGroups(): Promise<
    readonly { readonly group: string; readonly lag: number; readonly waiting: number }[]
  > {
    const state = []
    for (const { group, events } of GROUPS) {
      let lag = 0
      for (const topic of new Set(events.map((definition) => definition.topic))) {
        for (const partition of await driver.transport.lag(topic, group)) lag += partition.lag
      }
      const { waiting, parked } = await driver.stores.lane.counts(group)
      state.push({ group, lag, waiting: waiting - parked })
    }
    return state
  }

  async function requeueAll(): Promise<void> {
    const history = openHistory(histories, 'operator')
    const engine = recordingEngine(sqlite({ path: file }), { record: history.record, now: machineNow })
    await using millrace = createMillrace({ name: 'operator', engine, leaseMs: LEASE_MS, topics: TOPICS })
    for (const { group } of GROUPS) {
      for (;;) {
        const letters = await millrace.deadLetters.list({ group, limit: 500 })
        if (letters.length === 0) break
        const ids = letters.map(({ eventId }) => eventId)
        history.record({ kind: 'requeue', phase: 'invoke', group, ids })
        await millrace.deadLetters.requeue(letters.map(({ id }) => id))
        history.record({ kind: 'requeue', phase: 'ok', group, ids })
      }
    }
    history.close()
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
