import {
  abortedError,
  isMillraceError,
  MillraceError,
  type PublishOutcome,
  type PublishRecord,
} from '@millrace/core/driver'
import { isOutcomeUnknown } from '../database/postgres-error.ts'
import { encodeName } from '../name-codec.ts'
import { positionOf } from '../position.ts'
import type { Connection } from './connection.ts'

/** Stores records; a failure is an outcome, never thrown. */
export async function publishRecords(
  connection: Connection,
  records: readonly PublishRecord[],
  signal: AbortSignal | undefined,
): Promise<readonly PublishOutcome[]> {
  if (records.length === 0) return []
  if (signal?.aborted) return records.map(() => ({ outcome: 'rejected', error: abortedError(signal) }))
  const outcomes: PublishOutcome[] = []
  const work = byTopic(records).map(([topic, places]) => publishBatch(connection, { topic, places, records, outcomes }))
  const stored = Promise.all(work).then(() => outcomes)
  return signal === undefined ? stored : orAborted(stored, records, signal)
}

/** Records of one topic, by their places in the call. */
interface TopicBatch {
  readonly topic: string
  readonly places: readonly number[]
  readonly records: readonly PublishRecord[]
  readonly outcomes: PublishOutcome[]
}

function byTopic(records: readonly PublishRecord[]): [topic: string, places: number[]][] {
  const topics = new Map<string, number[]>()
  for (const [at, { topic }] of records.entries()) {
    const places = topics.get(topic)
    if (places === undefined) topics.set(topic, [at])
    else places.push(at)
  }
  return [...topics]
}

/** What `publish_1` says. */
interface PublishReply {
  readonly partitions: number
  /** The head of each partition before the batch. */
  readonly bases: Readonly<Record<string, number>> | null
  readonly known: readonly (readonly [n: number, partition: number, seq: number, body: string])[] | null
  /** The last record that the topic had room for, counted from 1. */
  readonly last: number
  readonly limited: boolean
}

/** A batch as it is sent. */
interface Prepared {
  /** The places of the records that are sent. */
  readonly sent: readonly number[]
  /** Records whose id is in the batch already, with the place of the first. */
  readonly repeats: readonly (readonly [place: number, first: number])[]
  readonly values: readonly (string | number)[]
}

function prepare({ topic, places, records, outcomes }: TopicBatch, maxBytes: number): Prepared {
  const firsts = new Map<string, number>()
  const sent: number[] = []
  const repeats: [place: number, first: number][] = []
  const wanted: PublishRecord[] = []
  for (const place of places) {
    const record = records[place]
    if (record === undefined) continue
    const error = refusal(record, maxBytes)
    const name = `${record.id}\0${record.source}`
    const first = firsts.get(name)
    if (error !== undefined) outcomes[place] = { outcome: 'rejected', error }
    else if (first !== undefined) repeats.push([place, first])
    else {
      firsts.set(name, place)
      sent.push(place)
      wanted.push(record)
    }
  }
  return { sent, repeats, values: columnsOf(topic, wanted) }
}

async function publishBatch(connection: Connection, batch: TopicBatch): Promise<void> {
  const { records, outcomes } = batch
  const { sent, repeats, values } = prepare(batch, connection.settings.maxBytes)
  if (sent.length > 0) {
    try {
      note(batch, sent, await send(connection, batch.topic, values))
    } catch (error) {
      const outcome = isOutcomeUnknown(error) ? 'unknown' : 'rejected'
      for (const place of sent) outcomes[place] = { outcome, error: asError(error) }
    }
  }
  for (const [place, first] of repeats) outcomes[place] = repeated(outcomes[first], records[first])
}

async function send(
  connection: Connection,
  topic: string,
  values: readonly (string | number)[],
): Promise<PublishReply | null> {
  const row = await connection.database.inTurn<{ reply: PublishReply | null }>(
    'SELECT $S.publish_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS reply',
    ...values,
  )
  const reply = row?.reply ?? null
  if (reply !== null && reply.bases !== null) {
    connection.changes.announce([topic])
    connection.notices.published(topic)
    connection.upkeep.published(reply.limited)
  }
  return reply
}

function columnsOf(topic: string, records: readonly PublishRecord[]): (string | number)[] {
  const partitions: number[] = []
  const ranks: number[] = []
  const counts = new Map<number, number>()
  const ids: string[] = []
  const sources: string[] = []
  const types: string[] = []
  const keys: string[] = []
  const correlations: string[] = []
  const bodies: string[] = []
  for (const { partition, id, source, type, key, correlationId, body } of records) {
    const rank = (counts.get(partition) ?? 0) + 1
    counts.set(partition, rank)
    partitions.push(partition)
    ranks.push(rank)
    ids.push(encodeName(id))
    sources.push(encodeName(source))
    types.push(encodeName(type))
    keys.push(key === undefined ? NONE : encodeName(key))
    correlations.push(correlationId === undefined ? NONE : encodeName(correlationId))
    bodies.push(body)
  }
  return [
    topic,
    `{${partitions.join(',')}}`,
    `{${ranks.join(',')}}`,
    bornSince(records),
    joined(ids),
    joined(onlyOne(sources)),
    joined(onlyOne(types)),
    joined(keys),
    joined(correlations.every((each) => each === NONE) ? [] : correlations),
    joined(bodies),
  ]
}

function joined(column: readonly string[]): string {
  return column.join(SEPARATOR)
}

/** A column whose values are all the same travels as one of them. */
function onlyOne(column: readonly string[]): readonly string[] {
  return column.every((each) => each === column[0]) ? column.slice(0, 1) : column
}

/** Columns travel as one text each: neither JSON nor an encoded name holds these two characters. */
const SEPARATOR = '\x1f'
const NONE = '\x1e'

/** Clocks may differ by this much: an id made at a time is looked for in what was stored since an hour before. */
const CLOCKS_DIFFER_MS = 3_600_000

/** Since when the ids can have been stored: UUIDv7 tells when it was made, any other id may be as old as the log. */
function bornSince(records: readonly PublishRecord[]): number {
  let since = Infinity
  for (const { id } of records) {
    if (!UUID_7.test(id)) return 0
    since = Math.min(since, Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16))
  }
  return Math.max(0, since - CLOCKS_DIFFER_MS)
}

const UUID_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** Fills in what became of the records that were sent. */
function note({ topic, records, outcomes }: TopicBatch, sent: readonly number[], reply: PublishReply | null): void {
  const known = new Map(reply?.known?.map((each) => [each[0], each]))
  const heads = new Map<number, number>()
  for (const [at, place] of sent.entries()) {
    const partition = records[place]?.partition ?? 0
    const base = heads.get(partition) ?? reply?.bases?.[partition]
    const duplicate = known.get(at + 1)
    if (reply === null) outcomes[place] = { outcome: 'rejected', error: unknownTopic(topic) }
    else if (duplicate !== undefined) {
      const [, where, seq, body] = duplicate
      outcomes[place] = { outcome: 'duplicate', partition: where, position: positionOf(seq), body }
    } else if (at + 1 > reply.last) outcomes[place] = { outcome: 'rejected', error: topicFull(topic) }
    else if (base === undefined)
      outcomes[place] = { outcome: 'rejected', error: noPartition(topic, partition, reply.partitions) }
    else {
      heads.set(partition, base + 1)
      outcomes[place] = { outcome: 'stored', partition, position: positionOf(base + 1) }
    }
  }
}

/** The second of two records with the same id in one call shares the fate of the first. */
function repeated(first: PublishOutcome | undefined, record: PublishRecord | undefined): PublishOutcome {
  if (first === undefined || record === undefined) throw new MillraceError('internal', 'A record has no outcome.')
  if (first.outcome !== 'stored') return first
  return { outcome: 'duplicate', partition: first.partition, position: first.position, body: record.body }
}

function refusal(
  { id, source, type, key, correlationId, body }: PublishRecord,
  maxBytes: number,
): MillraceError | undefined {
  for (const text of [id, source, type, key ?? '', correlationId ?? '']) {
    if (text.isWellFormed()) continue
    return new MillraceError(
      'publish_rejected',
      'PostgreSQL stores no id, source, type or key with half a surrogate pair.',
    )
  }
  if (body.includes(SEPARATOR) || body.includes('\0')) {
    return new MillraceError('publish_rejected', 'The body is no JSON: it holds the character U+0000 or U+001F.')
  }
  if (body.length * 3 <= maxBytes) return undefined
  const bytes = Buffer.byteLength(body)
  if (bytes <= maxBytes) return undefined
  return new MillraceError('limit_exceeded', `The event has ${bytes} bytes; at most ${maxBytes} are stored.`, {
    facts: { bytes, maxBytes },
  })
}

/** After the engine was asked, a signal can only mean that we do not wait for the answer. */
function orAborted(
  stored: Promise<readonly PublishOutcome[]>,
  records: readonly PublishRecord[],
  signal: AbortSignal,
): Promise<readonly PublishOutcome[]> {
  return new Promise((resolve) => {
    const onAbort = (): void => resolve(records.map(() => ({ outcome: 'unknown', error: abortedError(signal) })))
    signal.addEventListener('abort', onAbort, { once: true })
    void stored.then((outcomes) => {
      signal.removeEventListener('abort', onAbort)
      resolve(outcomes)
    })
  })
}

function unknownTopic(topic: string): MillraceError {
  return new MillraceError('topic_unknown', `The topic "${topic}" does not exist.`)
}

function noPartition(topic: string, partition: number, partitions: number): MillraceError {
  return new MillraceError(
    'topic_mismatch',
    `The topic "${topic}" has ${partitions} partitions; there is no partition ${partition}.`,
  )
}

function topicFull(topic: string): MillraceError {
  return new MillraceError(
    'topic_full',
    `The topic "${topic}" is at its hard cap with events that a group has not read. Wait for the group, raise the cap or let unread events expire.`,
    { retriable: true },
  )
}

function asError(error: unknown): MillraceError {
  if (isMillraceError(error)) return error
  return new MillraceError('internal', 'The PostgreSQL driver failed unexpectedly.', { cause: error })
}
