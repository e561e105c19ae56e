import {
  abortedError,
  isMillraceError,
  MillraceError,
  type PublishOutcome,
  type PublishRecord,
} from '@millrace/core/driver'
import { type Connection, isOutcomeUnknown } from '../client/connection.ts'
import { headerOf } from '../entry.ts'
import { positionOfId } from '../position.ts'
import { PUBLISH } from '../scripts/publish.ts'
import { ensurePartitions, type Registry, type Topic, topicUnknown } from './registry.ts'
import { type Room, roomOf, UNLIMITED } from './room.ts'

/** Stores records; a failure is an outcome, never thrown. */
export interface LogWriter {
  publish(records: readonly PublishRecord[], signal: AbortSignal | undefined): Promise<readonly PublishOutcome[]>
}

export interface LogWriterOptions {
  readonly redis: Connection
  readonly registry: Registry
  /** Something was stored in a topic that has limits. */
  readonly onLimited: (topic: string) => void
  /** A topic that was there is gone: perhaps everything is. */
  readonly onMissing: (topic: string) => Promise<void>
}

/** What goes to one partition: indexes into the batch. */
interface Share {
  readonly topic: Topic
  readonly partition: number
  readonly indexes: number[]
}

/** Records of one script call: it holds the server for some milliseconds at most. */
const MOST_AT_ONCE = 500

type Outcomes = (PublishOutcome | undefined)[]

export function createLogWriter(options: LogWriterOptions): LogWriter {
  const { redis, registry } = options
  const encoder = new TextEncoder()
  /**
   * The end of the last sending to each partition where two may overtake one another, and to each topic with
   * a cap, whose room the next one has to know.
   */
  const turns = new Map<string, Promise<unknown>>()
  /** The end of the last look at topics: who asks for an unknown one is not overtaken by who need not. */
  let sorted: Promise<unknown> = Promise.resolve()

  async function publish(records: readonly PublishRecord[]): Promise<readonly PublishOutcome[]> {
    const outcomes: Outcomes = records.map(() => undefined)
    const sorting = sorted.then(() => sharesOf(records, outcomes))
    sorted = sorting
    const shares = await sorting
    await Promise.all(shares.map((share) => send(share, records, outcomes)))
    return outcomes.map((outcome) => outcome ?? rejected(new MillraceError('internal', 'A record was left out.')))
  }

  async function sharesOf(records: readonly PublishRecord[], outcomes: Outcomes): Promise<readonly Share[]> {
    const shares = new Map<string, Map<number, Share>>()
    for (const [index, record] of records.entries()) {
      const tooLarge = sizeError(record.body)
      const topic = registry.known(record.topic) ?? (await loaded(record.topic))
      if (topic instanceof Error || tooLarge !== undefined) {
        outcomes[index] = rejected(tooLarge ?? (topic as Error))
        continue
      }
      if (!(record.partition >= 0 && record.partition < topic.partitions)) {
        outcomes[index] = rejected(partitionUnknown(record, topic))
        continue
      }
      let ofTopic = shares.get(record.topic)
      if (ofTopic === undefined) shares.set(record.topic, (ofTopic = new Map()))
      const share = ofTopic.get(record.partition)
      if (share === undefined) ofTopic.set(record.partition, { topic, partition: record.partition, indexes: [index] })
      else share.indexes.push(index)
    }
    return [...shares.values()].flatMap((ofTopic) => [...ofTopic.values()].flatMap(inParts))
  }

  async function loaded(topic: string): Promise<Topic | Error> {
    return registry.topic(topic).catch((error: Error) => error)
  }

  function sizeError(body: string): MillraceError | undefined {
    const { maxBytes } = redis.settings
    if (body.length * 3 <= maxBytes) return undefined
    const bytes = encoder.encode(body).length
    if (bytes <= maxBytes) return undefined
    return new MillraceError('limit_exceeded', `The event has ${bytes} bytes; at most ${maxBytes} are stored.`, {
      facts: { bytes, maxBytes },
    })
  }

  async function send(share: Share, records: readonly PublishRecord[], outcomes: Outcomes): Promise<void> {
    const limited = isLimited(share.topic)
    if (redis.keepsOrder && !limited) return sendNow(share, records, outcomes)
    const place = limited ? share.topic.topic : `${share.topic.topic}/${share.partition}`
    const turn = (turns.get(place) ?? Promise.resolve()).then(() => sendNow(share, records, outcomes))
    turns.set(place, turn)
    await turn
    if (turns.get(place) === turn) turns.delete(place)
  }

  /** Sends a share; settles when each of its records has an outcome. */
  async function sendNow(share: Share, records: readonly PublishRecord[], outcomes: Outcomes): Promise<void> {
    try {
      let reply = await append(share, records)
      if (reply[0] === 'stale') {
        reply = await append(await renewed(share), records)
        if (reply[0] === 'stale') throw topicUnknown(share.topic.topic)
      }
      readReply(share, reply, outcomes)
    } catch (error) {
      const outcome = isOutcomeUnknown(error) || mayPass(error) ? 'unknown' : 'rejected'
      for (const index of share.indexes) outcomes[index] = { outcome, error: error as Error }
    }
  }

  async function append({ topic, partition, indexes }: Share, records: readonly PublishRecord[]): Promise<Reply> {
    const { log, meta, ids, flows } = redis.keys.partition(topic.topic, partition)
    const room = isLimited(topic) ? await roomOf(redis, registry, topic) : UNLIMITED
    const args = [topic.incarnation, redis.keys.channel(topic.topic), String(partition), ...textOf(room)]
    for (const index of indexes) {
      const record = records[index]
      if (record !== undefined) args.push(headerOf(record), record.body)
    }
    const reply = (await redis.run(PUBLISH, [log, meta, ids, flows], args)) as Reply
    if (isLimited(topic)) options.onLimited(topic.topic)
    if (reply[0] !== 'stale') await replicated(log)
    return reply
  }

  /** Waits until as many replicas as asked for have what was appended. */
  async function replicated(log: string): Promise<void> {
    const { waitReplicas, callTimeoutMs } = redis.settings
    if (waitReplicas === 0) return
    const waiting = redis.call(['WAIT', String(waitReplicas), String(Math.ceil(callTimeoutMs / 2))], log)
    const has = Number(await waiting.catch((error: unknown) => Promise.reject(notConfirmed(error))))
    if (has >= waitReplicas) return
    throw new MillraceError(
      'engine_unreachable',
      `${redis.where} has the events, but ${has} replicas of the ${waitReplicas} asked for had them in time.`,
      { retriable: true, facts: { sent: true, replicas: has } },
    )
  }

  /** The share with what the registry says now: the topic was removed and made again, or the database was flushed. */
  async function renewed({ topic: { topic }, partition, indexes }: Share): Promise<Share> {
    registry.forget(topic)
    await options.onMissing(topic)
    const now = await registry.topic(topic)
    if (partition >= now.partitions) throw topicUnknown(topic)
    await ensurePartitions(redis, now)
    return { topic: now, partition, indexes }
  }

  return {
    async publish(records, signal) {
      if (redis.closing) throw closedNow(redis)
      if (signal?.aborted) {
        const error = abortedError(signal)
        return records.map(() => rejected(error))
      }
      const stored = publish(records)
      return signal === undefined ? stored : orAborted(stored, records, signal)
    },
  }
}

/** A share in parts that one script takes, in their order. */
function inParts({ topic, partition, indexes }: Share): Share[] {
  const parts: Share[] = []
  for (let at = 0; at < indexes.length; at += MOST_AT_ONCE) {
    parts.push({ topic, partition, indexes: indexes.slice(at, at + MOST_AT_ONCE) })
  }
  return parts
}

/** `['stale']`, or stamp, first number and what was not appended. */
type Reply = readonly [stamp: string, first?: number, odd?: readonly Odd[]]
type Odd = readonly [index: number, kind: 'duplicate' | 'full', id?: string, body?: string]

function readReply(
  { topic, partition, indexes }: Share,
  [stamp, first = 0, odd = []]: Reply,
  outcomes: Outcomes,
): void {
  const exceptions = new Map(odd.map((each) => [each[0], each]))
  let n = first
  for (const [at, index] of indexes.entries()) {
    const exception = exceptions.get(at)
    if (exception === undefined) {
      outcomes[index] = { outcome: 'stored', partition, position: positionOfId(`${stamp}${n}`) }
      n += 1
    } else if (exception[1] === 'full') outcomes[index] = rejected(topicFull(topic.topic))
    else {
      const [, , id = '', body = ''] = exception
      outcomes[index] = { outcome: 'duplicate', partition, position: positionOfId(id), body }
    }
  }
}

/** The server has the events; whatever kept it from saying that replicas have them does not take that back. */
function notConfirmed(error: unknown): unknown {
  if (!isMillraceError(error)) return error
  const { code, message, retriable, cause, facts } = error
  return new MillraceError(code, message, { retriable, cause, facts: { ...facts, sent: true } })
}

/** What the server refuses now and may take in a moment: sent again by the core, which loses nothing by that. */
function mayPass(error: unknown): boolean {
  return (
    error instanceof MillraceError &&
    error.retriable &&
    (error.code === 'engine_busy' || error.code === 'engine_read_only' || error.code === 'engine_unreachable')
  )
}

function isLimited({ retention }: Topic): boolean {
  return retention.maxEvents !== undefined || retention.maxBytes !== undefined
}

function textOf({ events, bytes }: Room): [string, string] {
  return [events, bytes].map((left) => (left === Infinity ? '-1' : String(Math.max(0, left)))) as [string, string]
}

function rejected(error: Error): PublishOutcome {
  return { outcome: 'rejected', error }
}

function closedNow(redis: Connection): MillraceError {
  return new MillraceError('closed', `The engine on ${redis.where} is closed.`)
}

function partitionUnknown({ partition }: PublishRecord, { topic, partitions }: Topic): MillraceError {
  return new MillraceError(
    'topic_mismatch',
    `The topic "${topic}" has ${partitions} partitions; there is no partition ${partition}.`,
  )
}

function topicFull(topic: string): MillraceError {
  return new MillraceError(
    'topic_full',
    `The topic "${topic}" is at its hard cap with events that a group has not read. Wait for the group, raise the cap or let unread events expire.`,
    { retriable: true, facts: { topic } },
  )
}

/** After the engine was asked, a signal can only mean that we do not wait for the answer. */
function orAborted(
  stored: Promise<readonly PublishOutcome[]>,
  records: readonly PublishRecord[],
  signal: AbortSignal,
): Promise<readonly PublishOutcome[]> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      const error = abortedError(signal)
      resolve(records.map(() => ({ outcome: 'unknown', error })))
    }
    signal.addEventListener('abort', onAbort, { once: true })
    stored.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
