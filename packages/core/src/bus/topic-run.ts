import type { Consumer, Transport } from '../driver/transport.ts'
import type { StoredRecord } from '../driver/record.ts'
import { isMillraceError } from '../runtime/error.ts'
import { wait } from '../runtime/abort.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createCommitter, type Committer } from './committer.ts'
import { createFetchSize } from './fetch-size.ts'
import { progressOf, type Item, type PartitionRun } from './partition-run.ts'

/** Reads the partitions of one topic that this member holds, and stores their progress. */
export interface TopicRun {
  readonly committer: Committer
  readonly partitions: ReadonlyMap<number, PartitionRun>
  add(run: PartitionRun): void
  /** Whether the engine has stored how far the partitions of all these are fetched, so that they may be handed to handlers. */
  areMarked(items: readonly Item[]): boolean
  /** Forgets a partition: what is fetched of it from now on is ignored. */
  remove(run: PartitionRun): void
  /** Something changed that may let the reading go on: room in the buffers, a partition that rested. */
  resume(): void
  close(): Promise<void>
}

export interface TopicRunOptions {
  readonly topic: string
  readonly group: string
  readonly transport: Transport
  readonly runtime: Runtime
  /** Whether more may be read now. */
  readonly mayFetch: () => boolean
  /** Events fetched and not settled at which a partition rests. */
  readonly readAhead: number
  readonly onRecords: (topicRun: TopicRun, records: readonly StoredRecord[]) => Promise<void>
  readonly onFenced: (run: PartitionRun) => void
  readonly onError: (error: unknown) => void
}

/** Progress is stored at most this often while events flow; what is handled in between may be seen again after a crash. */
const COMMIT_LINGER_MS = 5
const FAILURE_PAUSE_MS = 500

export function createTopicRun(options: TopicRunOptions): TopicRun {
  const { topic, group, transport, runtime } = options
  const partitions = new Map<number, PartitionRun>()
  const committer = createCommitter({ commit, runtime, lingerMs: COMMIT_LINGER_MS, onError: options.onError })
  // Progress goes through a consumer of its own, which outlives the readers that come and go with the partitions.
  const settler = transport.consume({ topic, group, partitions: [] })
  const size = createFetchSize()
  let consumer: Consumer | undefined
  let stale = false
  let closed = false
  let fetching = new AbortController()
  let sleeper: (() => void) | undefined
  // Whose records the consumer reads: a partition that was lost and claimed again is read anew from its stored progress.
  let readers: ReadonlyMap<number, PartitionRun> = new Map()
  // The partitions that the fetch under way leaves out.
  let paused: ReadonlySet<number> = new Set()

  const topicRun: TopicRun = {
    committer,
    partitions,
    add(run) {
      partitions.set(run.partition, run)
      stale = true
      wake()
    },
    areMarked(items) {
      let last: PartitionRun | undefined
      for (const { partition } of items) {
        // Most items come next to others of their partition.
        if (partition !== last && !isMarked(partition)) return false
        last = partition
      }
      return true
    },
    remove(run) {
      if (partitions.get(run.partition) !== run) return
      partitions.delete(run.partition)
      stale = true
      wake()
    },
    resume() {
      if (sleeper !== undefined || (paused.size > 0 && resting().size < paused.size)) wake()
    },
    async close() {
      closed = true
      wake()
      await finished
      committer.close()
      await consumer?.close()
      await settler.close()
    },
  }
  const finished = loop()
  return topicRun

  function isMarked({ partition, fetchedHigh }: PartitionRun): boolean {
    const marked = consumer?.marked?.(partition)
    return marked !== undefined && fetchedHigh !== undefined && fetchedHigh <= marked
  }

  async function loop(): Promise<void> {
    let failures = 0
    while (!closed) {
      if (partitions.size === 0 || !options.mayFetch() || resting().size === partitions.size) {
        await new Promise<void>((resolve) => (sleeper = resolve))
        continue
      }
      try {
        const fetched = await fetch()
        size.learn(fetched)
        const records = fetched.filter(({ partition }) => readers.get(partition) === partitions.get(partition))
        if (records.length > 0 && !closed) await options.onRecords(topicRun, records)
        failures = 0
      } catch (error) {
        if (closed || isMillraceError(error, 'closed')) return
        if (failures++ === 0) options.onError(error)
        stale = true
        size.shrink()
        await wait(runtime, FAILURE_PAUSE_MS * Math.min(10, failures))
      }
    }
  }

  async function fetch(): Promise<readonly StoredRecord[]> {
    if (stale || consumer === undefined) {
      stale = false
      await consumer?.close()
      const owned = [...partitions.values()].map((run) => ({
        partition: run.partition,
        token: run.token,
        after: run.lastFetched,
      }))
      readers = new Map(partitions)
      consumer = transport.consume({ topic, group, partitions: owned })
    }
    fetching = new AbortController()
    paused = resting()
    return consumer.fetch({
      max: size.records,
      mark: true,
      signal: fetching.signal,
      ...(paused.size > 0 ? { paused } : {}),
    })
  }

  /** Partitions that have enough in hand: their window is full, or they wait for suspects. */
  function resting(): Set<number> {
    const full = new Set<number>()
    for (const run of partitions.values()) {
      if (run.state !== 'active' || run.tracker.window >= options.readAhead || run.behindSuspects.length > 0)
        full.add(run.partition)
    }
    return full
  }

  async function commit(): Promise<void> {
    const dirty = [...partitions.values()].filter((run) => run.dirty && run.state !== 'lost')
    if (dirty.length === 0) return
    const progress = dirty.map(progressOf)
    const settledCounts = dirty.map((run) => run.tracker.settledCount)
    for (const run of dirty) run.dirty = false
    try {
      const { fenced } = await settler.settle(progress)
      dirty.forEach((run, at) => {
        if (fenced.includes(run.partition)) options.onFenced(run)
        else run.committedSettled = settledCounts[at] ?? 0
      })
    } catch (error) {
      for (const run of dirty) run.dirty = true
      throw error
    }
  }

  function wake(): void {
    fetching.abort()
    const sleeping = sleeper
    sleeper = undefined
    sleeping?.()
  }
}
