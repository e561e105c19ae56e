import type { DeadLetterStore, NewDeadLetter } from '../driver/dead-letter-store.ts'
import type { LaneChanges, LaneStore, NewLaneEntry } from '../driver/lane-store.ts'
import { createGroupedWrites } from './grouped-writes.ts'
import type { PartitionRun } from './partition-run.ts'

/** What is written to the side lane and to the dead letters, by partition: what comes together goes in one call. */
export interface LaneWrites {
  /** Adds entries behind everything that was added or parked before. */
  add(run: PartitionRun, entries: readonly NewLaneEntry[]): Promise<'added' | 'fenced'>
  /** Writes a dead letter that parks its key, behind everything that was added or parked before. */
  park(run: PartitionRun, letter: NewDeadLetter): Promise<'stored' | 'fenced'>
  /** Writes a dead letter that parks nothing. */
  bury(run: PartitionRun, letter: NewDeadLetter): Promise<'stored' | 'fenced'>
  /** Removes and postpones entries. */
  settle(run: PartitionRun, changes: Pick<LaneChanges, 'done' | 'postponed'>): Promise<'done' | 'fenced'>
}

export interface LaneWritesOptions {
  readonly group: string
  readonly lane: LaneStore
  readonly deadLetters: DeadLetterStore
  readonly capacity: number
  /** Runs a store operation until it succeeds or the subscription is at its end. */
  readonly persist: <Result>(operation: () => Promise<Result>) => Promise<Result>
  /** Adds what alone has no room, once there is some. */
  readonly addUntilThereIsRoom: (add: () => Promise<'added' | 'fenced'>) => Promise<'added' | 'fenced'>
}

type Growth = { readonly entries: readonly NewLaneEntry[] } | { readonly letter: NewDeadLetter }

interface Writers {
  readonly grow: (job: Growth) => Promise<'added' | 'stored' | 'fenced'>
  readonly bury: (letter: NewDeadLetter) => Promise<'stored' | 'fenced'>
  readonly settle: (changes: Pick<LaneChanges, 'done' | 'postponed'>) => Promise<'done' | 'fenced'>
}

export function createLaneWrites(options: LaneWritesOptions): LaneWrites {
  const { group, lane, deadLetters, capacity, persist } = options
  const writers = new WeakMap<PartitionRun, Writers>()

  function writersOf(run: PartitionRun): Writers {
    const known = writers.get(run)
    if (known !== undefined) return known
    const { topic, partition, token } = run
    const put = (letters: readonly NewDeadLetter[], park: boolean): Promise<'stored' | 'fenced'> =>
      persist(() => deadLetters.put(letters, token, { park }))
    const made: Writers = {
      // In turn, for what follows an event of its key must not be in the lane before it.
      grow: createGroupedWrites({
        joins: (before, job) => 'entries' in before === 'entries' in job,
        weightOf: (job) => ('entries' in job ? job.entries.length : 1),
        write(jobs) {
          const letters = jobs.flatMap((job) => ('letter' in job ? [job.letter] : []))
          if (letters.length > 0) return put(letters, true)
          const entries = jobs.flatMap((job) => ('entries' in job ? job.entries : []))
          const add = (): Promise<'added' | 'fenced'> => persist(() => lane.add(entries, { token, capacity }))
          // Several may have room one by one where all of them have none.
          return jobs.length > 1 ? add() : options.addUntilThereIsRoom(add)
        },
      }),
      bury: createGroupedWrites({ write: (letters) => put(letters, false) }),
      settle: createGroupedWrites({
        write(jobs) {
          const done = jobs.flatMap((job) => job.done)
          const postponed = jobs.flatMap((job) => job.postponed)
          return persist(() => lane.settle({ group, topic, partition, token, done, postponed }))
        },
      }),
    }
    writers.set(run, made)
    return made
  }

  return {
    add: async (run, entries) => ((await writersOf(run).grow({ entries })) === 'fenced' ? 'fenced' : 'added'),
    park: async (run, letter) => ((await writersOf(run).grow({ letter })) === 'fenced' ? 'fenced' : 'stored'),
    bury: (run, letter) => writersOf(run).bury(letter),
    settle: (run, changes) => writersOf(run).settle(changes),
  }
}
