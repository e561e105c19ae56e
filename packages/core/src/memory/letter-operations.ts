import type { DeadLetter, NewDeadLetter } from '../driver/dead-letter-store.ts'
import type { StoredRecord } from '../driver/record.ts'
import type { MemoryEngine } from './engine.ts'
import { groupState, underToken } from './groups.ts'
import { unparkKey, type GroupPlace } from './lane-operations.ts'

/** Writes letters under the token of their partition, all or nothing, and parks their keys if asked to. */
export function putLetters(
  engine: MemoryEngine,
  letters: readonly NewDeadLetter[],
  { token, park }: { readonly token: number; readonly park: boolean },
): 'stored' | 'fenced' {
  if (!letters.every((letter) => underToken(engine, letter, token) !== undefined)) return 'fenced'
  for (const letter of letters) {
    engine.lastNumber += 1
    engine.bytes += engine.letters.put(letter, engine.lastNumber)
    const { group, topic, partition, laneKey } = letter
    const { lane } = groupState(engine, group)
    engine.bytes -= lane.take(letter)
    if (park && laneKey !== undefined) lane.park(topic, partition, laneKey)
  }
  return 'stored'
}

/** Which positions of a partition have a letter of their first delivery. */
export function lettersAmong(engine: MemoryEngine, place: GroupPlace, positions: readonly string[]): string[] {
  return positions.filter((position) => engine.letters.has({ ...place, position, generation: 0 }))
}

/** Moves letters into the side lane of their group; returns those that were there. */
export function requeueLetters(
  engine: MemoryEngine,
  ids: readonly string[],
  replace: StoredRecord | undefined,
  at: number,
): string[] {
  return removeEach(engine, ids, ({ group, laneKey, record, generation }) => {
    engine.lastNumber += 1
    engine.bytes += groupState(engine, group).lane.add(
      {
        group,
        laneKey,
        record: replace ?? record,
        delayMs: 0,
        attempts: 0,
        firstFailedAt: undefined,
        reason: 'requeue',
        generation,
      },
      engine.lastNumber,
      at,
    )
  })
}

/** Removes letters; returns those that were there. */
export function discardLetters(engine: MemoryEngine, ids: readonly string[]): string[] {
  return removeEach(engine, ids, () => {})
}

function removeEach(engine: MemoryEngine, ids: readonly string[], keep: (letter: DeadLetter) => void): string[] {
  const removed: string[] = []
  for (const id of ids) {
    const gone = engine.letters.remove(id)
    if (gone === undefined) continue
    engine.bytes -= gone.bytes
    keep(gone.letter)
    const { laneKey: key, ...place } = gone.letter
    if (key !== undefined && !engine.letters.holdsKey(place, key)) unparkKey(engine, { ...place, key })
    removed.push(id)
  }
  return removed
}
