import { Logger, makeWorkerUtils, run as startRunner } from 'graphile-worker'
import type { JobExtras } from '../job-extras.ts'
import type { Work } from '../work.ts'
import type { Figures } from './millrace-work.ts'
import { measureQueue } from './queue-work.ts'

const TASK = 'order'
/** As its page on performance has it; the pool is the larger of 10 and two more, as it recommends. */
const CONCURRENT_JOBS = 24
const POOL = 26

/** graphile-worker with each job fetched and completed by itself, which is its default. */
export function run(work: Work): Promise<Figures> {
  return measure(work, {})
}

/** graphile-worker with the batching of its page on performance. */
export function runLocalQueue(work: Work): Promise<Figures> {
  return measure(work, { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 })
}

async function measure(work: Work, batching: GraphileConfig.WorkerOptions): Promise<Figures> {
  const connectionString = work.url ?? ''
  const logger = new Logger(() => () => undefined)
  const adder = await makeWorkerUtils({ connectionString, logger, maxPoolSize: POOL })
  await adder.migrate()
  return measureQueue(
    {
      addsInFlight: 500,
      add: (order, extras) => adder.addJob(TASK, order, specOf(extras)),
      addMany: (jobs) =>
        adder.addJobs(jobs.map(({ order, extras }) => ({ identifier: TASK, payload: order, ...specOf(extras) }))),
      async work(onJob) {
        const runner = await startRunner({
          taskList: { [TASK]: onJob },
          noHandleSignals: true,
          preset: {
            worker: { connectionString, logger, concurrentJobs: CONCURRENT_JOBS, maxPoolSize: POOL, ...batching },
          },
        })
        return () => runner.stop()
      },
      close: async () => adder.release(),
    },
    work,
  )
}

function specOf(extras: JobExtras | undefined): {
  readonly priority?: number
  readonly jobKey?: string
  readonly runAt?: Date
} {
  if (extras === undefined) return {}
  const { urgency, dedupe, delayMs } = extras
  return { priority: urgency, jobKey: dedupe, ...(delayMs === 0 ? {} : { runAt: new Date(Date.now() + delayMs) }) }
}
