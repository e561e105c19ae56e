import { createPostgresBackend, Queue, runMigrations, Worker } from 'bullmq'
import { Client } from 'pg'
import type { Work } from '../work.ts'
import { jobOptions } from './bullmq-options.ts'
import type { Figures } from './millrace-work.ts'
import { measureQueue } from './queue-work.ts'

/** Its guide measures 8 to 32, and asks for as many connections. */
const CONCURRENCY = 32

/** BullMQ on its PostgreSQL backend, set up as its guide says: a pool as large as the concurrency, finished jobs removed. */
export async function run(work: Work): Promise<Figures> {
  await migrate(work.url ?? '')
  const options = { connection: { connectionString: work.url ?? '', max: CONCURRENCY } }
  const queue = new Queue('bench', { ...options, defaultJobOptions: { removeOnComplete: true } }, createPostgresBackend)
  await queue.waitUntilReady()
  return measureQueue(
    {
      addsInFlight: 500,
      add: (order, extras) => queue.add('order', order, jobOptions(extras)),
      addMany: (jobs) =>
        queue.addBulk(jobs.map(({ order, extras }) => ({ name: 'order', data: order, opts: jobOptions(extras) }))),
      async work(onJob) {
        const worker = new Worker('bench', onJob, { ...options, concurrency: CONCURRENCY }, createPostgresBackend)
        await worker.waitUntilReady()
        return () => worker.close()
      },
      close: () => queue.close(),
    },
    work,
  )
}

async function migrate(connectionString: string): Promise<void> {
  const client = new Client({ connectionString })
  await client.connect()
  try {
    await runMigrations(client)
  } finally {
    await client.end()
  }
}
