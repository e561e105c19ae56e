import { MillraceError } from '@millrace/core/driver'
import { dueAtOf, readJob, type WaitingJob } from '../jobs/job.ts'
import type { Commands } from '../redis/connect.ts'
import { fieldsOf } from '../redis/fields.ts'
import type { QueueKeys, Source } from '../redis/keys.ts'
import { GIVE_BACK, HELD, SETTLE, TAKE } from '../redis/scripts.ts'

/** A job that the bridge has taken out of BullMQ and not brought home yet. */
export interface HeldJob {
  readonly batch: string
  readonly id: string
  readonly source: Source
  /** As its hash has them: by these it is known again. */
  readonly timestamp: string
  readonly deduplicationId: string
  /** Undefined when it cannot be read (any more). */
  readonly waiting: WaitingJob | undefined
}

/** What the bridge holds of one queue. Every step is one script: it has happened, or it has not. */
export interface Held {
  /** Takes jobs that were found in a part of a place; gives those that no worker was faster with. */
  take(source: Source, batch: string, ids: readonly string[], part: ListPart): Promise<readonly HeldJob[]>
  /** All that is held, oldest first: as many batches as bridges were killed. */
  list(): Promise<readonly HeldJob[]>
  count(): Promise<number>
  has(batch: string, id: string): Promise<boolean>
  /** Removes jobs that are at home from BullMQ. */
  settle(batch: string, jobs: readonly HeldJob[]): Promise<void>
  /** Gives jobs back, in the order in which they were taken. */
  giveBack(batch: string, ids: readonly string[]): Promise<number>
}

/** Which part of a list is searched: workers move its end while it is read. */
export interface ListPart {
  readonly passed: number
  readonly size: number
}

/** How far the end of a list may have moved. */
const DRIFT = 2_000

interface Copy {
  readonly batch: string
  readonly id: string
  readonly source: Source
  readonly score: string
  readonly deduplicating: string
  readonly job: readonly string[]
}

/** What is held of the queue of these keys. */
export function createHeld(commands: Commands, keys: QueueKeys): Held {
  const own = [keys.held, keys.order]
  const backPlaces = [keys.meta, keys.wait, keys.paused, keys.prioritized, keys.delayed, keys.marker]
  return {
    async take(source, batch, ids, { passed, size }) {
      if (ids.length === 0) return []
      const start = String(-passed - size - DRIFT)
      const stop = String(-Math.max(0, passed - DRIFT) - 1)
      const taken = await commands.run(TAKE, [keys[source], ...own], [keys.base, source, batch, start, stop, ...ids])
      return (taken as readonly string[]).map(readCopy)
    },
    async list() {
      return ((await commands.run(HELD, own, [])) as readonly string[]).map(readCopy)
    },
    count: async () => Number(await commands.call('HLEN', keys.held)),
    async has(batch, id) {
      const copy = await commands.call('HGET', keys.held, id)
      return typeof copy === 'string' && readCopy(copy).batch === batch
    },
    async settle(batch, jobs) {
      const args = jobs.flatMap(({ id, source, timestamp, deduplicationId }) => [
        id,
        source,
        timestamp,
        deduplicationId,
      ])
      await commands.run(SETTLE, [...own, keys.events], [keys.base, batch, ...args])
    },
    async giveBack(batch, ids) {
      return Number(await commands.run(GIVE_BACK, [...own, ...backPlaces], [keys.base, batch, ...ids.toReversed()]))
    },
  }
}

function readCopy(text: string): HeldJob {
  const copy = JSON.parse(text) as Copy
  if (typeof copy.batch !== 'string' || typeof copy.id !== 'string' || !Array.isArray(copy.job)) {
    throw new MillraceError('engine_corrupt', 'What the bridge holds of the BullMQ queue cannot be read.')
  }
  const { batch, id, source, score, deduplicating } = copy
  const fields = fieldsOf(copy.job)
  const job = readJob(id, fields, deduplicating)
  return {
    batch,
    id,
    source,
    timestamp: fields.get('timestamp') ?? '',
    deduplicationId: fields.get('deid') ?? '',
    waiting: job === undefined ? undefined : { job, source, dueAt: dueAtOf(source, score) },
  }
}
