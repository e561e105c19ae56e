import { extrasOf, type JobExtras } from '../job-extras.ts'
import { type Order, orderOf } from '../order.ts'
import { callsPerSecond, countdown, idleCommands, latencies, percentile, type Work } from '../work.ts'
import type { Figures } from './millrace-work.ts'

/** A job queue, with what differs from one to the other. */
export interface JobQueue {
  /** Single calls that wait at once; more does not make it faster. */
  readonly addsInFlight: number
  add(order: Order, extras?: JobExtras): Promise<unknown>
  addMany(jobs: readonly NewJob[]): Promise<unknown>
  /** Begins to work jobs off; calls `onJob`, which awaits once, for each. Resolves with what ends it. */
  work(onJob: () => Promise<void>): Promise<() => Promise<unknown>>
  close(): Promise<unknown>
}

/** A job with what it has beside its order, if that is switched on. */
export interface NewJob {
  readonly order: Order
  readonly extras?: JobExtras
}

/** Jobs that are added in one call. */
const BATCH = 1_000
const BATCHES_IN_FLIGHT = 2

/** Does the work on a queue that has started, and closes it. */
export async function measureQueue(queue: JobQueue, work: Work): Promise<Figures> {
  try {
    if (work.what === 'publish') return { value: await publish(queue, work) }
    if (work.what === 'fill') return { value: await fill(queue, work) }
    return await whileWorking(queue, work)
  } finally {
    await queue.close()
  }
}

function publish(queue: JobQueue, { count, what, asTasks = false }: Work): Promise<number> {
  const someLater = what === 'publish'
  return callsPerSecond(count, queue.addsInFlight, (n) =>
    asTasks ? queue.add(orderOf(n), extrasOf(n, someLater)) : queue.add(orderOf(n)),
  )
}

async function fill(queue: JobQueue, { count, asTasks = false }: Work): Promise<number> {
  const batches = Math.ceil(count / BATCH)
  const batchesPerSecond = await callsPerSecond(batches, BATCHES_IN_FLIGHT, (batch) => {
    const size = Math.min(BATCH, count - batch * BATCH)
    return queue.addMany(Array.from({ length: size }, (_, at) => jobOf(batch * BATCH + at, asTasks)))
  })
  return (batchesPerSecond / batches) * count
}

function jobOf(n: number, asTasks: boolean): NewJob {
  return { order: orderOf(n), ...(asTasks ? { extras: extrasOf(n, false) } : {}) }
}

async function whileWorking(queue: JobQueue, work: Work): Promise<Figures> {
  const { count } = work
  const counter = countdown(count)
  let arrived: () => void = () => {}
  // From the first job on, as ours: what a start takes would count the more, the fewer jobs there are.
  let first = 0
  const end = await queue.work(async () => {
    if (first === 0) first = performance.now()
    await undefined
    counter.tick()
    arrived()
  })
  try {
    if (work.what === 'idle') return await idleCommands(work)
    if (work.what === 'latency') {
      const values = await latencies(count, async (n) => {
        const arrival = new Promise<void>((resolve) => (arrived = resolve))
        await queue.add(orderOf(n))
        await arrival
      })
      return { value: percentile(values, 0.5), p99: percentile(values, 0.99) }
    }
    const begun = performance.now()
    if (work.what === 'roundtrip') await publish(queue, work)
    await counter.done
    return { value: (count / (performance.now() - (work.what === 'roundtrip' ? begun : first))) * 1_000 }
  } finally {
    await end()
  }
}
