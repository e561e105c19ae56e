import { PgBoss } from 'pg-boss'
import type { JobExtras } from '../job-extras.ts'
import type { Order } from '../order.ts'
import type { Work } from '../work.ts'
import type { Figures } from './millrace-work.ts'
import { measureQueue } from './queue-work.ts'

const QUEUE = 'bench'
const BATCH = 500

const WORKERS = 4
const POOL = 20

/** pg-boss with its workers: whole batches, the next at once as long as they come full. */
export function run(work: Work): Promise<Figures> {
  return measure(work, async (boss, onJob) => {
    const options = {
      batchSize: BATCH,
      burstWhenBatchFull: true,
      localConcurrency: WORKERS,
      pollingIntervalSeconds: 0.5,
    }
    await boss.work<Order>(QUEUE, options, async (jobs) => {
      for (const _ of jobs) await onJob()
    })
    return () => boss.offWork(QUEUE)
  })
}

/** pg-boss without its workers: `fetch` and `complete` in a loop, which is the fastest that it offers. */
export function runFetching(work: Work): Promise<Figures> {
  return measure(work, async (boss, onJob) => {
    const ended = new AbortController()
    const loop = async (): Promise<void> => {
      while (!ended.signal.aborted) {
        const jobs = await boss.fetch<Order>(QUEUE, { batchSize: BATCH })
        for (const _ of jobs) await onJob()
        if (jobs.length > 0)
          await boss.complete(
            QUEUE,
            jobs.map(({ id }) => id),
          )
      }
    }
    const looping = loop()
    return async () => {
      ended.abort()
      await looping
    }
  })
}

async function measure(
  work: Work,
  begin: (boss: PgBoss, onJob: () => Promise<void>) => Promise<() => Promise<unknown>>,
): Promise<Figures> {
  // Notifications make its latency and cost it most of its throughput: PostgreSQL commits those that notify one after the other.
  const notify = work.what === 'latency' || work.what === 'idle'
  const boss = new PgBoss({ connectionString: work.url ?? '', max: POOL, useListenNotify: notify })
  boss.on('error', (error) => process.stderr.write(`pg-boss: ${String(error)}\n`))
  await boss.start()
  // Its deduplication is a policy of the queue.
  await boss.createQueue(QUEUE, { notify, ...(work.asTasks === true ? { policy: 'exclusive' as const } : {}) })
  return measureQueue(
    {
      addsInFlight: 500,
      add: (order, extras) => boss.send(QUEUE, order, optionsOf(extras)),
      addMany: (jobs) =>
        boss.insert(
          QUEUE,
          jobs.map(({ order, extras }) => ({ data: order, ...optionsOf(extras) })),
        ),
      work: (onJob) => begin(boss, onJob),
      close: () => boss.stop({ graceful: true, timeout: 5_000 }),
    },
    work,
  )
}

/** The extras in its words: the highest number goes first, and delays are seconds. */
function optionsOf(extras: JobExtras | undefined): {
  readonly priority?: number
  readonly singletonKey?: string
  readonly startAfter?: number
} {
  if (extras === undefined) return {}
  const { urgency, dedupe, delayMs } = extras
  return {
    priority: 2 - urgency,
    singletonKey: dedupe,
    ...(delayMs === 0 ? {} : { startAfter: Math.ceil(delayMs / 1_000) }),
  }
}
