import {
  abortedError,
  isMillraceError,
  MillraceError,
  positionOf,
  type PublishOutcome,
  type PublishRecord,
} from '@millrace/core/driver'
import type { SqlValue } from '../database/database.ts'
import { isOutcomeUnknown } from '../database/postgres-error.ts'
import { encodeName, encodeOptional } from '../name-codec.ts'
import type { Connection } from './connection.ts'
import { bornSince, columnsOf, SEPARATOR } from './publish-columns.ts'

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

/** What `publish_1` and `publish_one_2` say. */
interface PublishReply {
  readonly partitions: number
  /** The head of each partition before the batch. */
  readonly bases?: Readonly<Record<string, number>> | null
  readonly known?: readonly (readonly [n: number, partition: number, seq: number, body: string])[] | null
  /** The last record that the topic had room for, counted from 1. */
  readonly last: number
  readonly limited?: boolean
  /** Of an event that was sent alone: when it was recorded, and which of the readers have their mark, counted from 1. */
  readonly recorded?: number
  readonly marked?: readonly number[] | null
}

/** A batch as it is sent. */
interface Prepared {
  /** The places of the records that are sent. */
  readonly sent: readonly number[]
  /** Records whose id is in the batch already, with the place of the first. */
  readonly repeats: readonly (readonly [place: number, first: number])[]
  readonly wanted: readonly PublishRecord[]
}

function prepare({ places, records, outcomes }: TopicBatch, maxBytes: number): Prepared {
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
  return { sent, repeats, wanted }
}

async function publishBatch(connection: Connection, batch: TopicBatch): Promise<void> {
  const { records, outcomes } = batch
  const { sent, repeats, wanted } = prepare(batch, connection.settings.maxBytes)
  const [first] = wanted
  if (first !== undefined) {
    try {
      note(batch, sent, await (wanted.length === 1 ? sendOne(connection, first) : sendMany(connection, wanted)))
    } catch (error) {
      const outcome = isOutcomeUnknown(error) ? 'unknown' : 'rejected'
      for (const place of sent) outcomes[place] = { outcome, error: asError(error) }
    }
  }
  for (const [place, first] of repeats) outcomes[place] = repeated(outcomes[first], records[first])
}

async function sendMany(connection: Connection, records: readonly PublishRecord[]): Promise<PublishReply | null> {
  const topic = records[0]?.topic ?? ''
  const reply = await ask(
    connection,
    'SELECT $S.publish_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS reply',
    columnsOf(topic, records),
  )
  announce(connection, topic, reply)
  return reply
}

/** Brings the event to those of this process who wait for it: they need not look for what is known here. */
async function sendOne(connection: Connection, record: PublishRecord): Promise<PublishReply | null> {
  const { topic, partition, id, source, type, key, correlationId, body } = record
  const places = connection.standing.at(topic, partition)
  const reply = await ask(
    connection,
    'SELECT $S.publish_one_2($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) AS reply',
    [
      topic,
      partition,
      bornSince([record]),
      encodeName(id),
      encodeName(source),
      encodeName(type),
      encodeOptional(key),
      encodeOptional(correlationId),
      body,
      places.map(({ reader }) => reader.group),
      places.map(({ token }) => token),
      places.map(({ after }) => after),
    ],
  )
  announce(connection, topic, reply)
  const base = reply?.bases?.[partition]
  if (base === undefined || reply?.recorded === undefined) return reply
  const stored = { topic, partition, position: positionOf(base + 1), id, type, key, recordedAt: reply.recorded, body }
  for (const n of reply.marked ?? []) places[n - 1]?.reader.bring(stored, base + 1)
  return reply
}

async function ask({ database }: Connection, text: string, values: readonly SqlValue[]): Promise<PublishReply | null> {
  const row = await database.inTurn<{ reply: PublishReply | null }>(text, ...values)
  return row?.reply ?? null
}

function announce({ changes, notices, upkeep }: Connection, topic: string, reply: PublishReply | null): void {
  if (reply?.bases === undefined || reply.bases === null) return
  changes.announce([topic])
  notices.published(topic)
  upkeep.published(reply.limited === true)
}

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
