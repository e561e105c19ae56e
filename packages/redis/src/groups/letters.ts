import type {
  DeadLetter,
  DeadLetterCount,
  DeadLetterQuery,
  DeadLetterStore,
  NewDeadLetter,
  StoredRecord,
} from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { placeName } from '../keys.ts'
import { pairsOf, type Registry } from '../log/registry.ts'
import { PUT_LETTERS, REMOVE_LETTERS } from '../scripts/letters.ts'
import { decodeRecord, encodeRest, identityOf, queueOf, splitLines } from './lane-entry.ts'
import type { LaneWatch } from './lane.ts'

/** Letters read at a time when they are searched. */
const CHUNK = 200

/** Dead letters of groups, each in one slot; a letter's id tells its group and its age. */
export function createDeadLetterStore(redis: Connection, registry: Registry, lanes: LaneWatch): DeadLetterStore {
  const keysOf = (group: string): { readonly keys: string[]; readonly prefix: string } => {
    const { lanePrefix, leases, lane, laneIds, laneNumber, ...rest } = redis.keys.group(group)
    const { letters, letterOrder, letterAt, letterCounts, letterSamples, letterHeld } = rest
    const ofLane = [leases, lane, laneIds, laneNumber]
    const ofLetters = [letters, letterOrder, letterAt, letterCounts, letterSamples, letterHeld]
    return { keys: [...ofLane, ...ofLetters], prefix: lanePrefix }
  }

  async function groupsOf(group: string | undefined): Promise<readonly string[]> {
    return group === undefined ? [...(await registry.groups()).keys()] : [group]
  }

  async function read(group: string, ids: readonly string[]): Promise<readonly (DeadLetter | undefined)[]> {
    if (ids.length === 0) return []
    const { letters } = redis.keys.group(group)
    const stored = (await redis.call(['HMGET', letters, ...ids], letters)) as readonly (string | null)[]
    return ids.map((id, at) => {
      const text = stored[at]
      return text === null || text === undefined ? undefined : decodeLetter(group, id, text)
    })
  }

  /** Newest first, of one group. */
  async function search(group: string, query: DeadLetterQuery): Promise<readonly DeadLetter[]> {
    const { letterOrder } = redis.keys.group(group)
    const found: DeadLetter[] = []
    let below = query.after === undefined ? '+inf' : boundOf(query.after, group)
    while (found.length < query.limit) {
      const range = ['ZREVRANGEBYSCORE', letterOrder, below, '-inf', 'LIMIT', '0', String(CHUNK)]
      const ids = (await redis.call(range, letterOrder)) as readonly string[]
      for (const letter of await read(group, ids))
        if (letter !== undefined && matches(letter, query)) found.push(letter)
      const last = ids.at(-1)
      if (last === undefined || ids.length < CHUNK) break
      below = `(${orderOf(last)}`
    }
    return found.slice(0, query.limit)
  }

  async function remove(
    ids: readonly string[],
    entryOf: (letter: DeadLetter) => readonly [position: string, identity: string, rest: string],
  ): Promise<readonly string[]> {
    const removed: string[] = []
    for (const [group, ofGroup] of Map.groupBy(ids, groupOfId)) {
      if (group === undefined) continue
      const letters = (await read(group, ofGroup)).filter((letter) => letter !== undefined)
      const args = letters.flatMap((letter) => [
        letter.id,
        placeName(letter.topic, letter.partition),
        queueOf(letter.laneKey),
        ...entryOf(letter),
      ])
      if (args.length === 0) continue
      const { keys, prefix } = keysOf(group)
      removed.push(...((await redis.run(REMOVE_LETTERS, keys, [prefix, ...args])) as readonly string[]))
      lanes.changed(group)
    }
    return removed
  }

  return {
    async put(letters, token, { park = false } = {}) {
      const [first] = letters
      if (first === undefined) return 'stored'
      const { keys, prefix } = keysOf(first.group)
      const args = letters.flatMap((letter) => [
        placeName(letter.topic, letter.partition),
        identityOf(letter.record, letter.generation),
        letter.fingerprint,
        letter.laneKey === undefined ? '' : queueOf(letter.laneKey),
        String(letter.lastFailedAt),
        JSON.stringify([letter.code, letter.message]),
        JSON.stringify(letter),
      ])
      const head = [prefix, String(token), encodeGroup(first.group), park ? '1' : '0']
      const outcome = await redis.run(PUT_LETTERS, keys, [...head, ...args])
      lanes.changed(first.group)
      return outcome === 'fenced' ? 'fenced' : 'stored'
    },
    async list(query) {
      const groups = await groupsOf(query.group)
      const found = await Promise.all(groups.map((group) => search(group, query)))
      return found
        .flat()
        .toSorted((a, b) => (a.id < b.id ? 1 : -1))
        .slice(0, query.limit)
    },
    async get(id) {
      const group = groupOfId(id)
      return group === undefined ? undefined : (await read(group, [id]))[0]
    },
    async among({ group, topic, partition }, positions) {
      if (positions.length === 0) return []
      const { letterAt } = redis.keys.group(group)
      const fields = positions.map((position) => `${placeName(topic, partition)}/${position}/0`)
      const ids = (await redis.call(['HMGET', letterAt, ...fields], letterAt)) as readonly (string | null)[]
      return positions.filter((_, at) => typeof ids[at] === 'string')
    },
    async counts(query = {}) {
      const groups = await groupsOf(query.group)
      return (await Promise.all(groups.map((group) => countsOf(redis, group)))).flat()
    },
    requeue: (ids, { replace } = {}) =>
      remove(ids, ({ laneKey, record, generation }) => {
        const moved: StoredRecord = replace ?? record
        const rest = encodeRest({ laneKey, record: moved, reason: 'requeue', generation })
        return [moved.position, identityOf(moved, generation), rest]
      }),
    discard: (ids) => remove(ids, () => ['', '', '']),
  }
}

async function countsOf(redis: Connection, group: string): Promise<readonly DeadLetterCount[]> {
  const { letterCounts, letterSamples } = redis.keys.group(group)
  const [counts, samples] = await Promise.all([
    redis.call(['HGETALL', letterCounts], letterCounts),
    redis.call(['HGETALL', letterSamples], letterSamples),
  ])
  const sampleOf = new Map(pairsOf(samples))
  return pairsOf(counts).map(([fingerprint, count]) => {
    const [failed = '0', sample = '["",""]'] = splitLines(sampleOf.get(fingerprint) ?? '', 2)
    const [code, message] = JSON.parse(sample) as [string, string]
    return { group, fingerprint, code, message, count: Number(count), lastFailedAt: Number(failed) }
  })
}

function decodeLetter(group: string, id: string, stored: string): DeadLetter {
  const letter = JSON.parse(splitLines(stored, 5)[4] ?? '{}') as NewDeadLetter
  const { laneKey, stack } = letter as Partial<NewDeadLetter>
  return { ...letter, group, laneKey, stack, record: decodeRecord(letter.record), id }
}

function matches({ fingerprint, topic, record, lastFailedAt, id }: DeadLetter, query: DeadLetterQuery): boolean {
  return (
    (query.after === undefined || id < query.after) &&
    (query.fingerprint === undefined || fingerprint === query.fingerprint) &&
    (query.topic === undefined || topic === query.topic) &&
    (query.type === undefined || record.type === query.type) &&
    (query.eventId === undefined || record.id === query.eventId) &&
    (query.since === undefined || lastFailedAt >= query.since) &&
    (query.until === undefined || lastFailedAt < query.until)
  )
}

function encodeGroup(group: string): string {
  return Buffer.from(group, 'utf8').toString('base64url')
}

function groupOfId(id: string): string | undefined {
  const encoded = /^dl-\d{16}-([A-Za-z0-9_-]+)$/.exec(id)?.[1]
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64url').toString('utf8')
}

function orderOf(id: string): string {
  return /^dl-(\d{16})-/.exec(id)?.[1] ?? '0'
}

/** Ids are ordered by age, then by group: in another group a letter of the same moment may come after. */
function boundOf(after: string, group: string): string {
  return groupOfId(after) === group ? `(${orderOf(after)}` : orderOf(after)
}
