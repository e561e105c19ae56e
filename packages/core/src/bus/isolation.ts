import type { Position } from '../driver/position.ts'
import { isMillraceError } from '../runtime/error.ts'
import { createFifo } from './fifo.ts'
import type { Item, PartitionRun } from './partition-run.ts'

/**
 * Finds the event that kills its process. After an owner's unclean end, whatever it had in hand is suspect; suspects run one
 * at a time in the whole subscription, each behind a durable mark. A suspect whose mark is found twice after a death is
 * the culprit: three deaths at most, the first in the crowd and two alone.
 */
export interface Isolation {
  /** Queues a suspect. */
  add(item: Item): void
  /** Whether suspects of this partition wait or run, so that what comes after them must wait. */
  holds(run: PartitionRun): boolean
  /** A suspect is settled, dead-lettered or moved to the side lane. */
  finished(item: Item): void
  /** Takes the suspects of a key that wait out of the queue, in order. */
  takeKey(run: PartitionRun, orderKey: string): readonly Item[]
  /** Forgets the suspects of a partition that has moved on. */
  drop(run: PartitionRun): void
}

export interface IsolationOptions {
  /** Stores the progress of the partition, its `starting` mark included. */
  readonly commit: (run: PartitionRun) => Promise<void>
  /** The mark is to be taken away: a later death must not be laid at this event's door. */
  readonly touch: (run: PartitionRun) => void
  /** Which of these positions are dead letters already. */
  readonly deadLettered: (run: PartitionRun, positions: readonly Position[]) => Promise<readonly Position[]>
  /** Takes the item to the side lane if its key goes through it. */
  readonly divert: (item: Item) => boolean
  readonly runAlone: (item: Item) => void
  readonly bury: (item: Item, deathsAlone: number) => Promise<void>
  /** The item has a dead letter and is still to be settled. */
  readonly buried: (item: Item) => void
  /** The last suspect of a partition is through. */
  readonly resumed: (run: PartitionRun) => void
  readonly onIsolating: (run: PartitionRun) => void
  readonly onError: (error: unknown) => void
}

const DEATHS_ALONE = 2

export function createIsolation(options: IsolationOptions): Isolation {
  let queue = createFifo<Item>()
  const counts = new Map<PartitionRun, number>()
  let current: Item | undefined
  let endCurrent: () => void = () => {}
  let working = false

  async function work(): Promise<void> {
    working = true
    try {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
        if (item.partition.state === 'active' && !item.settled) await isolate(item)
        leave(item.partition)
      }
    } catch (error) {
      if (!isMillraceError(error, 'closed')) options.onError(error)
    } finally {
      working = false
    }
  }

  async function isolate(item: Item): Promise<void> {
    const run = item.partition
    if (item.generation === 0) {
      const buried = await options.deadLettered(run, [item.position])
      if (buried.includes(item.position)) return options.buried(item)
    }
    if (options.divert(item)) return
    const deaths = run.starting?.position === item.position ? run.starting.deaths + 1 : 0
    if (deaths >= DEATHS_ALONE) {
      await options.bury(item, deaths)
      run.starting = undefined
      options.touch(run)
      return
    }
    run.starting = { position: item.position, deaths }
    await options.commit(run)
    if (run.state !== 'active') return
    current = item
    const ended = new Promise<void>((resolve) => (endCurrent = resolve))
    options.runAlone(item)
    await ended
    run.starting = undefined
    options.touch(run)
  }

  function leave(run: PartitionRun): void {
    counts.set(run, Math.max(0, (counts.get(run) ?? 1) - 1))
    resumeWhenDone(run)
  }

  function resumeWhenDone(run: PartitionRun): void {
    if (counts.get(run) !== 0) return
    counts.delete(run)
    if (run.state === 'active') options.resumed(run)
  }

  function end(): void {
    current = undefined
    endCurrent()
  }

  return {
    add(item) {
      const run = item.partition
      if (!counts.has(run)) options.onIsolating(run)
      counts.set(run, (counts.get(run) ?? 0) + 1)
      queue.push(item)
      if (!working) void work()
    },
    holds: (run) => counts.has(run),
    takeKey(run, orderKey) {
      if (!counts.has(run)) return []
      const taken: Item[] = []
      const others = createFifo<Item>()
      for (const item of queue.drain()) {
        if (item.partition === run && item.orderKey === orderKey) taken.push(item)
        else others.push(item)
      }
      queue = others
      const left = (counts.get(run) ?? 0) - taken.length
      counts.set(run, left)
      // The last ones may be taken by an event that is not a suspect itself: once they are in the lane, the others go on.
      if (left === 0) queueMicrotask(() => resumeWhenDone(run))
      return taken
    },
    finished(item) {
      if (item === current) end()
    },
    drop(run) {
      if (current?.partition === run) end()
    },
  }
}
