import Database from 'better-sqlite3'
import { join } from 'node:path'
import { better, defineQueue, defineWorker } from 'plainjob'
import { orderOf } from '../payload.ts'
import { callsPerSecond, countdown, latencies, percentile, type Measured, type Work } from '../work.ts'

const QUIET = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} }

/** plainjob on a SQLite file, which it runs with `synchronous = NORMAL`: a commit may be lost with the power. */
export async function run(
  work: Work,
): Promise<Omit<Measured, 'engine' | 'engineVersion' | 'durability'> & Partial<Measured>> {
  const connection = better(new Database(join(work.folder, 'plainjob.db')))
  const queue = defineQueue({ connection, logger: QUIET })
  const add = async (n: number): Promise<void> => void queue.add('order', orderOf(n))
  if (work.what === 'publish') return { value: await callsPerSecond(work.count, work.inFlight, add) }
  if (work.what === 'fill') {
    const batches = Math.ceil(work.count / 1_000)
    return {
      value: await callsPerSecond(batches, 1, async (batch) =>
        queue.addMany(
          'order',
          Array.from({ length: 1_000 }, (_, at) => orderOf(batch * 1_000 + at)),
        ),
      ),
    }
  }
  const counter = countdown(work.count)
  let arrived: () => void = () => {}
  const worker = defineWorker(
    'order',
    async () => {
      await undefined
      counter.tick()
      arrived()
    },
    { queue, logger: QUIET, pollIntervall: 1 },
  )
  const started = performance.now()
  const working = worker.start()
  try {
    if (work.what === 'roundtrip') await callsPerSecond(work.count, work.inFlight, add)
    if (work.what !== 'latency') {
      await counter.done
      return { value: (work.count / (performance.now() - started)) * 1_000 }
    }
    const values = await latencies(work.count, async (n) => {
      const arrival = new Promise<void>((resolve) => (arrived = resolve))
      await add(n)
      await arrival
    })
    return { value: percentile(values, 0.5), p99: percentile(values, 0.99) }
  } finally {
    await worker.stop()
    await working
  }
}
