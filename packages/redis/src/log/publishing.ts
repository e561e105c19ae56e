import { abortedError, MillraceError, type PublishOutcome, type PublishRecord } from '@millrace/core/driver'
import { closedError, isOutcomeUnknown } from '../client/connection.ts'
import { append, type Appended, type AppendingOptions } from './appending.ts'
import { ensurePartitions, type Topic, topicUnknown } from './registry.ts'
import { type Call, callsOf, isLimited, type Share, sharesOf } from './shares.ts'

/** Stores records; a failure is an outcome, never thrown. */
export interface LogWriter {
  publish(records: readonly PublishRecord[], signal: AbortSignal | undefined): Promise<readonly PublishOutcome[]>
}

export interface LogWriterOptions extends AppendingOptions {
  /** A topic that was there is gone: perhaps everything is. */
  readonly onMissing: (topic: string) => Promise<void>
}

type Outcomes = (PublishOutcome | undefined)[]
type Topics = ReadonlyMap<string, Topic | Error>

export function createLogWriter(options: LogWriterOptions): LogWriter {
  const { redis, registry } = options
  const encoder = new TextEncoder()
  /**
   * The end of the last sending to each partition where two may overtake one another, and to each topic with
   * a cap, whose room the next one has to know.
   */
  const turns = new Map<string, Promise<unknown>>()
  /** The end of the last look for topics while there is one: who asks for an unknown one is not overtaken by who need not. */
  let looked: Promise<unknown> | undefined

  async function publish(records: readonly PublishRecord[]): Promise<readonly PublishOutcome[]> {
    const outcomes: Outcomes = records.map(() => undefined)
    const isKnown = looked === undefined && records.every(({ topic }) => registry.known(topic) !== undefined)
    const looking = isKnown ? undefined : look(records)
    const topics = looking === undefined ? undefined : await looking
    if (looked === looking) looked = undefined
    const shares = sharesOf(records, (record, index) => {
      const topic = topics === undefined ? registry.known(record.topic) : topics.get(record.topic)
      const error = sizeError(record.body) ?? placeError(record, topic)
      if (error === undefined) return topic as Topic
      outcomes[index] = rejected(error)
      return undefined
    })
    await Promise.all(callsOf(redis, shares).map((call) => send(call, records, outcomes)))
    return outcomes.map((outcome) => outcome ?? rejected(new MillraceError('internal', 'A record was left out.')))
  }

  /** The topics of records, or why there are none, when all that began to look before have done so. */
  function look(records: readonly PublishRecord[]): Promise<Topics> {
    const looking = (looked ?? Promise.resolve()).then(() => topicsOf(records))
    looked = looking
    return looking
  }

  async function topicsOf(records: readonly PublishRecord[]): Promise<Topics> {
    const topics = new Map<string, Topic | Error>()
    for (const { topic } of records) {
      if (!topics.has(topic)) topics.set(topic, await registry.topic(topic).catch((error: Error) => error))
    }
    return topics
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

  async function send(call: Call, records: readonly PublishRecord[], outcomes: Outcomes): Promise<void> {
    const [{ topic, partition }] = call
    const limited = isLimited(topic)
    if (redis.keepsOrder && !limited) return sendNow(call, records, outcomes)
    const place = limited ? topic.topic : `${topic.topic}/${partition}`
    const turn = (turns.get(place) ?? Promise.resolve()).then(() => sendNow(call, records, outcomes))
    turns.set(place, turn)
    await turn
    if (turns.get(place) === turn) turns.delete(place)
  }

  /** Sends shares; settles when each of their records has an outcome. */
  async function sendNow(call: Call, records: readonly PublishRecord[], outcomes: Outcomes): Promise<void> {
    const appended = await append(options, call, records).catch((error: MillraceError) => call.map(() => error))
    const again: Promise<void>[] = []
    for (const [at, share] of call.entries()) {
      const one = appended[at]
      if (one === 'stale') again.push(sendAgain(share, records, outcomes))
      else note(share, one, outcomes)
    }
    if (again.length > 0) await Promise.all(again)
  }

  /** Sends a share with what the registry says now: the topic was removed and made again, or the database was flushed. */
  async function sendAgain(
    { topic: { topic }, partition, indexes }: Share,
    records: readonly PublishRecord[],
    outcomes: Outcomes,
  ): Promise<void> {
    const share = await renewed()
    const [appended] =
      share instanceof Error
        ? [share]
        : await append(options, [share], records).catch((error: MillraceError) => [error])
    const one = appended === 'stale' ? topicUnknown(topic) : appended
    note({ indexes }, one, outcomes)

    async function renewed(): Promise<Share | MillraceError> {
      try {
        registry.forget(topic)
        await options.onMissing(topic)
        const now = await registry.topic(topic)
        if (partition >= now.partitions) return topicUnknown(topic)
        await ensurePartitions(redis, now)
        return { topic: now, partition, indexes }
      } catch (error) {
        return error as MillraceError
      }
    }
  }

  return {
    async publish(records, signal) {
      if (redis.closing) throw closedError(redis.where)
      if (signal?.aborted) {
        const error = abortedError(signal)
        return records.map(() => rejected(error))
      }
      const stored = publish(records)
      return signal === undefined ? stored : orAborted(stored, records, signal)
    },
  }
}

/** Writes down what became of the records of a share. */
function note(
  { indexes }: Pick<Share, 'indexes'>,
  appended: Exclude<Appended, 'stale'> | undefined,
  outcomes: Outcomes,
): void {
  if (!(appended instanceof Error)) return indexes.forEach((index, at) => void (outcomes[index] = appended?.[at]))
  const outcome = isOutcomeUnknown(appended) || mayPass(appended) ? 'unknown' : 'rejected'
  for (const index of indexes) outcomes[index] = { outcome, error: appended }
}

/** What the server refuses now and may take in a moment: sent again by the core, which loses nothing by that. */
function mayPass({ code, retriable }: MillraceError): boolean {
  return retriable && (code === 'engine_busy' || code === 'engine_read_only' || code === 'engine_unreachable')
}

function rejected(error: Error): PublishOutcome {
  return { outcome: 'rejected', error }
}

function placeError({ partition, topic: name }: PublishRecord, found: Topic | Error | undefined): Error | undefined {
  if (found === undefined) return topicUnknown(name)
  if (found instanceof Error) return found
  const { topic, partitions } = found
  if (partition >= 0 && partition < partitions) return undefined
  return new MillraceError(
    'topic_mismatch',
    `The topic "${topic}" has ${partitions} partitions; there is no partition ${partition}.`,
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
