import Database from 'better-sqlite3'
import { join } from 'node:path'
import { better, defineQueue, defineWorker } from 'plainjob'
import type { Work } from '../work.ts'
import type { Figures } from './millrace-work.ts'
import { measureQueue } from './queue-work.ts'

const QUIET = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} }

/** plainjob on a SQLite file, which it runs with `synchronous = NORMAL`: a commit may be lost with the power. */
export async function run(work: Work): Promise<Figures> {
  const connection = better(new Database(join(work.folder, 'plainjob.db')))
  const queue = defineQueue({ connection, logger: QUIET })
  return measureQueue(
    {
      addsInFlight: work.inFlight,
      // It has delays, and neither priorities nor dedupe.
      add: async (order, extras) => queue.add('order', order, { delay: extras?.delayMs ?? 0 }),
      addMany: async (jobs) =>
        queue.addMany(
          'order',
          jobs.map(({ order }) => order),
        ),
      async work(onJob) {
        const worker = defineWorker('order', onJob, { queue, logger: QUIET, pollIntervall: 1 })
        const working = worker.start()
        return async () => {
          await worker.stop()
          await working
        }
      },
      close: async () => undefined,
    },
    work,
  )
}
