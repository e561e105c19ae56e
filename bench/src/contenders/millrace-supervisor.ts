import { createMillrace, type Millrace } from '@millrace/core'
import { queueLoad, supervise, type Supervisor } from '@millrace/worker'
import type { Measured, Work } from '../work.ts'
import { startArrivals } from './arrivals.ts'
import { engineOf } from './engine-of.ts'
import { supervisionFigures, type Moments, type ScaleSeen, type SupervisorMoment } from './supervision-figures.ts'
import { readTally } from './tally.ts'
import { sharedNow, WaitForOthers } from './wait-task.ts'

const TASK_MS = 50
const STEP = 10
const SEEN_EVERY_MS = 100
const AFTER_KILL_MS = 20_000
const DONE_WITHIN_MS = 30_000
/** Processes and concurrency between bounds that the load does not reach. */
const BOUNDS = { processes: { min: 1, max: 6 }, concurrency: { min: 1, max: 20 } }

/**
 * The product's supervisor and its worker processes on the engine that the work names: `inFlight` tasks a second, ten times as many for
 * `count` seconds, one worker killed at the end of these, and the first rate again.
 */
export async function run(
  work: Work,
): Promise<Omit<Measured, 'engine' | 'engineVersion' | 'durability'> & Partial<Measured>> {
  const millrace = createMillrace({ name: 'bench', engine: await engineOf(work) })
  await millrace.start()
  const events: SupervisorMoment[] = []
  const supervisor = supervise({
    ...BOUNDS,
    module: new URL('./supervised-worker.ts', import.meta.url),
    args: [JSON.stringify(work)],
    queue: queueLoad(millrace, [WaitForOthers.queue.name]),
    onEvent: (event) => void events.push({ ...event, at: sharedNow() }),
  })
  const seen: ScaleSeen[] = []
  const watch = setInterval(() => seen.push(seenOf(supervisor)), SEEN_EVERY_MS)
  const arrivals = startArrivals(millrace, TASK_MS)

  const { inFlight: rate, count: seconds } = work
  arrivals.setRate(rate)
  await pass((seconds / 2) * 1_000)
  const stepAt = sharedNow()
  arrivals.setRate(rate * STEP)
  await pass(seconds * 1_000)
  const killAt = sharedNow()
  const killed = supervisor.status.running[0]?.pid
  if (killed !== undefined) process.kill(killed, 'SIGKILL')
  await pass(AFTER_KILL_MS)
  const downAt = sharedNow()
  arrivals.setRate(rate)
  await pass((seconds * 2 * 1_000) / 3)
  const endAt = sharedNow()

  await arrivals.stop()
  await isDone(millrace)
  clearInterval(watch)
  await supervisor.stop()
  const moments: Moments = { stepAt, killAt, downAt, endAt, rate: rate * STEP }
  const { engine, engineVersion, durability } = millrace.capabilities
  await millrace.close()
  const { cameAt, failed } = arrivals
  const figures = supervisionFigures({ tally: readTally(work.folder), cameAt, failed, events, seen, moments })
  return {
    value: figures.followedS,
    more: { ...figures },
    note: changesOf(events, moments),
    engine,
    engineVersion,
    durability,
  }
}

/** What the supervisor did after the step, until the kill: `2.1 s: 3 x 18`. */
function changesOf(events: readonly SupervisorMoment[], { stepAt, killAt }: Moments): string {
  return events
    .flatMap((event) => {
      if (event.kind !== 'scaled' || event.at < stepAt || event.at > killAt) return []
      return [`${((event.at - stepAt) / 1_000).toFixed(1)} s: ${event.processes} x ${event.concurrency}`]
    })
    .join(', ')
}

async function isDone(millrace: Millrace): Promise<void> {
  const until = sharedNow() + DONE_WITHIN_MS
  while (sharedNow() < until) {
    const { ready, running, suspect } = (await millrace.queues.get(WaitForOthers.queue.name)).counts
    if (ready + running + suspect === 0) return
    await pass(SEEN_EVERY_MS)
  }
}

function seenOf({ status }: Supervisor): ScaleSeen {
  const { wanted, running } = status
  return { at: sharedNow(), slots: wanted.slots, up: running.filter(({ slots }) => slots > 0).map(({ pid }) => pid) }
}

function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
