import type { DeadLetter, DeadLetterCount, DeadLetterQuery, NewDeadLetter } from '../driver/dead-letter-store.ts'
import { positionOf } from './position.ts'
import { weightOf } from './weight.ts'

/** Removed letters whose ids are remembered, so that a letter that comes back has its old id. */
const MOST_REMEMBERED = 10_000

/** The dead letters of all groups. */
export interface LetterBox {
  /** Adds a letter or replaces that of the same place and generation; returns the change in bytes. */
  put(letter: NewDeadLetter, number: number): number
  get(id: string): DeadLetter | undefined
  list(query: DeadLetterQuery): DeadLetter[]
  has(letter: Pick<NewDeadLetter, 'group' | 'topic' | 'partition' | 'position' | 'generation'>): boolean
  counts(group: string | undefined): DeadLetterCount[]
  /** Takes a letter out; returns it with the bytes that became free. */
  remove(id: string): { readonly letter: DeadLetter; readonly bytes: number } | undefined
  removeGroup(group: string): number
  /** Whether a letter of this key is left. */
  holdsKey(place: { readonly group: string; readonly topic: string; readonly partition: number }, key: string): boolean
}

/** An empty box. Ids rise with each letter, so the order of ids is the order of time. */
export function createLetterBox(): LetterBox {
  const letters = new Map<string, DeadLetter>()
  const ids = new Map<string, string>()
  const remembered = new Map<string, string>()
  const heldKeys = new Map<string, number>()

  const countKey = ({ laneKey, ...place }: NewDeadLetter, by: number): void => {
    if (laneKey === undefined) return
    const name = keyName(place, laneKey)
    const count = (heldKeys.get(name) ?? 0) + by
    if (count > 0) heldKeys.set(name, count)
    else heldKeys.delete(name)
  }

  const remove: LetterBox['remove'] = (id) => {
    const letter = letters.get(id)
    if (letter === undefined) return undefined
    const place = placeName(letter)
    letters.delete(id)
    ids.delete(place)
    remembered.set(place, id)
    for (const oldest of remembered.keys()) {
      if (remembered.size <= MOST_REMEMBERED) break
      remembered.delete(oldest)
    }
    countKey(letter, -1)
    return { letter, bytes: weightOf(letter.record.body) }
  }

  return {
    put(letter, number) {
      const place = placeName(letter)
      const id = ids.get(place) ?? remembered.get(place) ?? positionOf(number)
      const replaced = letters.get(id)
      if (replaced !== undefined) countKey(replaced, -1)
      countKey(letter, 1)
      remembered.delete(place)
      ids.set(place, id)
      letters.set(id, { ...letter, id })
      return weightOf(letter.record.body) - (replaced === undefined ? 0 : weightOf(replaced.record.body))
    },
    get: (id) => letters.get(id),
    list(query) {
      const matching = [...letters.values()].filter((letter) => matches(letter, query))
      return matching.toSorted((a, b) => (a.id < b.id ? 1 : -1)).slice(0, query.limit)
    },
    has: (letter) => ids.has(placeName(letter)),
    counts: (group) =>
      countsOf([...letters.values()].filter((letter) => group === undefined || letter.group === group)),
    remove,
    removeGroup(group) {
      let bytes = 0
      for (const { id } of [...letters.values()].filter((letter) => letter.group === group))
        bytes += remove(id)?.bytes ?? 0
      return bytes
    },
    holdsKey: (place, key) => heldKeys.has(keyName(place, key)),
  }
}

function matches(letter: DeadLetter, query: DeadLetterQuery): boolean {
  return (
    (query.after === undefined || letter.id < query.after) &&
    (query.group === undefined || letter.group === query.group) &&
    (query.fingerprint === undefined || letter.fingerprint === query.fingerprint) &&
    (query.topic === undefined || letter.topic === query.topic) &&
    (query.type === undefined || letter.record.type === query.type) &&
    (query.eventId === undefined || letter.record.id === query.eventId) &&
    (query.since === undefined || letter.lastFailedAt >= query.since) &&
    (query.until === undefined || letter.lastFailedAt < query.until)
  )
}

function countsOf(letters: readonly DeadLetter[]): DeadLetterCount[] {
  const counts = new Map<string, DeadLetterCount>()
  for (const { group, fingerprint, code, message, lastFailedAt } of letters) {
    const name = `${group}\n${fingerprint}`
    const before = counts.get(name)
    const newest =
      before === undefined || lastFailedAt >= before.lastFailedAt ? { code, message, lastFailedAt } : before
    counts.set(name, {
      group,
      fingerprint,
      code: newest.code,
      message: newest.message,
      count: (before?.count ?? 0) + 1,
      lastFailedAt: newest.lastFailedAt,
    })
  }
  return [...counts.values()]
}

function placeName(place: Pick<NewDeadLetter, 'group' | 'topic' | 'partition' | 'position' | 'generation'>): string {
  return `${place.partition}/${place.position}/${place.generation}/${place.topic}\n${place.group}`
}

function keyName(
  place: { readonly group: string; readonly topic: string; readonly partition: number },
  key: string,
): string {
  return `${place.partition}/${place.topic}\n${place.group}\n${key}`
}
