import type { Statements } from '../../file/statements.ts'
import { createNameIds, type NameIds } from '../name-ids.ts'
import { createKeyCache, type KeyCache } from './key-cache.ts'
import { createQueueCache, type QueueCache, type QueueState } from './queue-cache.ts'

/** Claims of this process that are remembered, so that their settles need not look for the rows. */
const MOST_CLAIMS = 200_000

/** What does not change of a task while it runs. */
export interface ClaimFacts {
  readonly n: number
  readonly queue: number
  readonly starts: number
  readonly started: number
  readonly bytes: number
  readonly key: string | null
  /** The dedupe key that it holds until it has ended. */
  readonly dedupe: string | null
  /** Whether only its own row, its keys and the counts of its queue change when it is done. */
  readonly plain: boolean
}

/** What the writer keeps in mind of tasks. All of it is in the file too. */
export interface TaskCache {
  readonly queues: QueueCache
  readonly keys: KeyCache
  readonly names: NameIds
  /** By queue, the last of the waiting keys that the sweep has looked at. */
  readonly lookedAt: Map<number, string>
  claimOf(id: string): ClaimFacts | undefined
  keepClaim(id: string, facts: ClaimFacts): void
  dropClaim(id: string): void
  /** Notes that somebody may want to look at the queue. */
  touch(queue: QueueState): void
  /** Writes what has changed, and tells what was touched since the last time: names of queues with their `news`. */
  finish(): Touched
  /** Forgets what a rolled-back or foreign transaction may have made untrue. */
  clear(): void
}

/** Queues whose tasks have changed, each with its count of news. */
export type Touched = readonly (readonly [queue: string, news: number])[]

export function createTaskCache(sql: Statements): TaskCache {
  const queues = createQueueCache(sql)
  const keys = createKeyCache(sql)
  const names = createNameIds(sql, 'task_names')
  const touched = new Set<QueueState>()
  const claims = new Map<string, ClaimFacts>()
  return {
    queues,
    keys,
    names,
    lookedAt: new Map(),
    claimOf: (id) => claims.get(id),
    keepClaim(id, facts) {
      if (claims.size >= MOST_CLAIMS) claims.clear()
      claims.set(id, facts)
    },
    dropClaim: (id) => void claims.delete(id),
    touch(queue) {
      if (touched.has(queue)) return
      touched.add(queue)
      queue.news += 1
      queue.changed = true
    },
    finish() {
      const news = [...touched].map(({ name, news: count }) => [name, count] as const)
      touched.clear()
      keys.save()
      queues.save()
      return news
    },
    clear() {
      touched.clear()
      queues.clear()
      keys.clear()
      names.clear()
    },
  }
}
