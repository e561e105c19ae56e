import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { orderOf } from '../payload.ts'
import { callsPerSecond, countdown, latencies, percentile, type Measured, type Work } from '../work.ts'

/** BullMQ on a real Redis (AOF everysec), set up for speed as its guide says: finished jobs removed, a high concurrency. */
export async function run(
  work: Work,
): Promise<Omit<Measured, 'engine' | 'engineVersion' | 'durability'> & Partial<Measured>> {
  const url = work.url ?? ''
  const connection = new Redis(url, { maxRetriesPerRequest: null })
  const queue = new Queue('bench', { connection, defaultJobOptions: { removeOnComplete: true } })
  await queue.waitUntilReady()
  try {
    return await measure(queue, work, url)
  } finally {
    await queue.close()
    connection.disconnect()
  }
}

/** More does not make it faster; its own benchmarks use 100 and less. */
const CONCURRENCY = 100
/** Its add is fastest at about this many at once. */
const ADDS_IN_FLIGHT = 500

async function measure(
  queue: Queue,
  work: Work,
  url: string,
): Promise<{ readonly value: number; readonly p99?: number }> {
  const add = (n: number): Promise<unknown> => queue.add('order', orderOf(n))
  if (work.what === 'publish') return { value: await callsPerSecond(work.count, ADDS_IN_FLIGHT, add) }
  if (work.what === 'fill') {
    const batches = Math.ceil(work.count / 1_000)
    return {
      value: await callsPerSecond(batches, 2, (batch) =>
        queue.addBulk(Array.from({ length: 1_000 }, (_, at) => ({ name: 'order', data: orderOf(batch * 1_000 + at) }))),
      ),
    }
  }
  const counter = countdown(work.count)
  let arrived: () => void = () => {}
  const started = performance.now()
  const worker = new Worker(
    'bench',
    async () => {
      await undefined
      counter.tick()
      arrived()
    },
    { connection: new Redis(url, { maxRetriesPerRequest: null }), concurrency: CONCURRENCY },
  )
  await worker.waitUntilReady()
  try {
    if (work.what === 'consume' || work.what === 'drain') {
      await counter.done
      return { value: (work.count / (performance.now() - started)) * 1_000 }
    }
    if (work.what === 'roundtrip') {
      const begun = performance.now()
      await callsPerSecond(work.count, ADDS_IN_FLIGHT, add)
      await counter.done
      return { value: (work.count / (performance.now() - begun)) * 1_000 }
    }
    const values = await latencies(work.count, async (n) => {
      const arrival = new Promise<void>((resolve) => (arrived = resolve))
      await add(n)
      await arrival
    })
    return { value: percentile(values, 0.5), p99: percentile(values, 0.99) }
  } finally {
    await worker.close()
  }
}
