import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { Work } from '../work.ts'
import { jobOptions } from './bullmq-options.ts'
import type { Figures } from './millrace-work.ts'
import { measureQueue } from './queue-work.ts'

/** More does not make it faster; its own benchmarks use 100 and less. */
const CONCURRENCY = 100

/** BullMQ on a real Redis, set up for speed as its guide says: finished jobs removed, a high concurrency. */
export async function run(work: Work): Promise<Figures> {
  const connect = (): Redis => new Redis(work.url ?? '', { maxRetriesPerRequest: null })
  const connection = connect()
  const queue = new Queue('bench', { connection, defaultJobOptions: { removeOnComplete: true } })
  await queue.waitUntilReady()
  return measureQueue(
    {
      addsInFlight: 500,
      add: (order, extras) => queue.add('order', order, jobOptions(extras)),
      addMany: (jobs) =>
        queue.addBulk(jobs.map(({ order, extras }) => ({ name: 'order', data: order, opts: jobOptions(extras) }))),
      async work(onJob) {
        const worker = new Worker('bench', onJob, { connection: connect(), concurrency: CONCURRENCY })
        await worker.waitUntilReady()
        return () => worker.close()
      },
      async close() {
        await queue.close()
        connection.disconnect()
      },
    },
    work,
  )
}
