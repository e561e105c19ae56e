import type { DeadLetter, Driver } from '@millrace/core/driver'
import { withStore, type Mutation } from './mutation.ts'

/** Defects of the side lane and of dead letters. */
export const LANE_MUTATIONS: readonly Mutation[] = [
  {
    defect: 'the delay of an entry is ignored',
    caughtBy: '13 an entry is not due before its delay',
    plant: (driver) =>
      withStore(driver, 'lane', {
        add: (entries, options) =>
          driver.stores.lane.add(
            entries.map((entry) => ({ ...entry, delayMs: 0 })),
            options,
          ),
      }),
  },
  {
    defect: 'a postponed entry loses its attempts',
    caughtBy: '13 a postponed entry keeps its attempts and waits',
    plant: (driver) =>
      withStore(driver, 'lane', {
        settle: (changes) =>
          driver.stores.lane.settle({
            ...changes,
            postponed: changes.postponed.map((each) => ({ ...each, attempts: 0 })),
          }),
      }),
  },
  {
    defect: 'the lane does not ask for the token',
    caughtBy: '16 the lane adds all or nothing under the token',
    plant: (driver) =>
      withStore(driver, 'lane', {
        add: (entries, { capacity }) => driver.stores.lane.add(entries, { capacity }),
      }),
  },
  {
    defect: 'entries of a key come in the order of adding',
    caughtBy: '21 entries of a key come in the order of their positions',
    plant: (driver) =>
      withStore(driver, 'lane', {
        async due(query) {
          const due = await driver.stores.lane.due(query)
          return due.toSorted((a, b) => (a.entryId < b.entryId ? -1 : 1))
        },
      }),
  },
  {
    defect: 'parking a key does nothing',
    caughtBy: '23 a parked key waits until it is unparked',
    plant: (driver) =>
      withStore(driver, 'lane', { settle: ({ park: _park, ...changes }) => driver.stores.lane.settle(changes) }),
  },
  {
    defect: 'the lane has no bound',
    caughtBy: '27 the lane is bounded',
    plant: (driver) =>
      withStore(driver, 'lane', {
        add: (entries, options) => driver.stores.lane.add(entries, { ...options, capacity: Infinity }),
      }),
  },
  {
    defect: 'a dead letter does not park its key',
    caughtBy: '23 a dead letter can park its key in the same step',
    caughtByBus: '23 bus: a parked key waits for its dead letter, in order',
    plant: (driver) =>
      withStore(driver, 'deadLetters', { put: (letters, token) => driver.stores.deadLetters.put(letters, token) }),
  },
  {
    defect: 'one dead letter in three is lost',
    caughtBy: '17 dead letters are listed newest first, page by page',
    caughtByBus: '16 bus: the last failed attempt makes one dead letter',
    plant(driver) {
      let count = 0
      return withStore(driver, 'deadLetters', {
        async put(letters, token, options) {
          const kept = letters.filter(() => ++count % 3 !== 0)
          return kept.length === 0 ? 'stored' : driver.stores.deadLetters.put(kept, token, options)
        },
      })
    },
  },
  {
    defect: 'a dead letter is written without looking at the token',
    caughtBy: '16 dead letters are written under the token, all or nothing',
    plant: (driver) =>
      withStore(driver, 'deadLetters', {
        async put(letters, token) {
          const [first] = letters
          if (first === undefined) return 'stored'
          const { partitions } = await driver.stores.leases.observe(first.group)
          const now = partitions.find((each) => each.topic === first.topic && each.partition === first.partition)
          return driver.stores.deadLetters.put(letters, now?.token ?? token)
        },
      }),
  },
  {
    defect: 'requeue hands a letter back each time it is asked',
    caughtBy: '18 requeue hands the letter back once, attempts reset',
    plant(driver) {
      const moved = new Map<string, DeadLetter>()
      return withStore(driver, 'deadLetters', {
        async requeue(ids, options) {
          for (const id of ids) {
            const letter = await driver.stores.deadLetters.get(id)
            if (letter !== undefined) moved.set(id, letter)
          }
          await driver.stores.deadLetters.requeue(ids, options)
          return ids.filter((id) => moved.has(id))
        },
      })
    },
  },
  {
    defect: 'a requeued event keeps its attempts',
    caughtBy: '18 requeue hands the letter back once, attempts reset',
    caughtByBus: '18 bus: requeue hands the event back to its group only',
    plant: (driver) => withRequeue(driver, (letter) => ({ attempts: letter.attempts })),
  },
  {
    defect: 'a requeued event goes to the end of its key',
    caughtBy: '23 a key is unparked when its last dead letter goes',
    caughtByBus: '23 bus: a parked key waits for its dead letter, in order',
    plant: (driver) =>
      withStore(driver, 'lane', {
        async due(query) {
          const due = await driver.stores.lane.due(query)
          return due.toSorted((a, b) => Number(a.reason === 'requeue') - Number(b.reason === 'requeue'))
        },
      }),
  },
  {
    defect: 'a takeover does not find what is dead-lettered',
    caughtBy: '16 a takeover finds what is dead-lettered already',
    plant: (driver) => withStore(driver, 'deadLetters', { among: async () => [] }),
  },
]

/** Requeue by hand: takes the letter out and adds an entry that differs from the right one. */
function withRequeue(driver: Driver, change: (letter: DeadLetter) => { readonly attempts: number }): Driver {
  const { deadLetters, lane } = driver.stores
  return withStore(driver, 'deadLetters', {
    async requeue(ids) {
      const moved: string[] = []
      for (const id of ids) {
        const letter = await deadLetters.get(id)
        if (letter === undefined) continue
        const { group, laneKey, record, generation } = letter
        const fresh = {
          group,
          laneKey,
          record,
          generation,
          delayMs: 0,
          firstFailedAt: undefined,
          reason: 'requeue',
        } as const
        await lane.add([{ ...fresh, ...change(letter) }], { capacity: Infinity })
        await deadLetters.discard([id])
        moved.push(id)
      }
      return moved
    },
  })
}
