import { isMillraceError, MillraceError, type PublishOutcome, type PublishRecord } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import type { Word } from '../client/link.ts'
import { redisError } from '../client/redis-error.ts'
import { type Entry, type Origin, recordsOf, unescapeText } from '../entry.ts'
import { placeOfId, positionsFrom } from '../position.ts'
import { PUBLISH } from '../scripts/publish.ts'
import { argumentsOf, type Pack, packsOf } from './packing.ts'
import type { Registry, Topic } from './registry.ts'
import { type Room, roomOf, UNLIMITED } from './room.ts'
import { type Call, isLimited, type Share } from './shares.ts'

/** What became of a share: an outcome for each of its records, an error of all, or nothing, for the topic is another one now. */
export type Appended = readonly PublishOutcome[] | MillraceError | 'stale'

export interface AppendingOptions {
  readonly redis: Connection
  readonly registry: Registry
  /** Something was stored in a topic that has limits. */
  readonly onLimited: (topic: string) => void
}

/** Appends shares of a batch in one script; gives what became of each. Throws `engine_*` when this is said of none of them. */
export async function append(
  { redis, registry, onLimited }: AppendingOptions,
  call: Call,
  records: readonly PublishRecord[],
): Promise<readonly Appended[]> {
  const [{ topic: first }] = call
  const room = isLimited(first) ? await roomOf(redis, registry, first) : UNLIMITED
  const keys: string[] = []
  const args: Word[] = []
  const packed = call.map(({ topic, indexes }) => packsOf(records, indexes, isLimited(topic)))
  for (const [at, { topic, partition }] of call.entries()) {
    const { log, meta, ids, flows } = redis.keys.partition(topic.topic, partition)
    const packs = packed[at] ?? []
    const entries = packs.flatMap(argumentsOf)
    keys.push(log, meta, ids, flows)
    args.push(topic.incarnation, redis.keys.channel(topic.topic), String(partition), ...textOf(room))
    args.push(String(packs.length), String(entries.length), ...entries)
  }
  const replies = (await redis.run(PUBLISH, keys, args)) as readonly Reply[]
  if (isLimited(first)) onLimited(first.topic)
  if (replies.some(([stamp]) => stamp !== 'stale' && stamp !== 'failed')) await replicated(redis, keys[0])
  return call.map((share, at) => {
    const reply = replies[at] ?? (['failed', 'ERR nothing'] as const)
    if (isStored(reply)) return outcomesOf(share, packed[at] ?? [], reply)
    return reply[1] === undefined ? 'stale' : redisError(new Error(reply[1]), redis.where, true)
  })
}

/** Waits until as many replicas as asked for have what was appended. */
async function replicated(redis: Connection, key: string | undefined): Promise<void> {
  const { waitReplicas, callTimeoutMs } = redis.settings
  if (waitReplicas === 0) return
  const waiting = redis.call(['WAIT', String(waitReplicas), String(Math.ceil(callTimeoutMs / 2))], key)
  const has = Number(await waiting.catch((error: unknown) => Promise.reject(notConfirmed(error))))
  if (has >= waitReplicas) return
  throw new MillraceError(
    'engine_unreachable',
    `${redis.where} has the events, but ${has} replicas of the ${waitReplicas} asked for had them in time.`,
    { retriable: true, facts: { sent: true, replicas: has } },
  )
}

type Reply = Stored | readonly ['stale'] | readonly ['failed', string]
type Stored = readonly [stamp: string, first: number, odd: readonly Odd[], entries: readonly Entry[]]
/** What was not appended of a pack: an event that an entry has already, or all that found no room. */
type Odd =
  | readonly [pack: number, kind: 'duplicate', id: string, place: string]
  | readonly [pack: number, kind: 'full', id?: undefined, place?: undefined]

function isStored(reply: Reply): reply is Stored {
  return reply.length === 4
}

/** In the order of the share, whose events its packs have one after another. */
function outcomesOf(
  share: Share,
  packs: readonly Pack[],
  [stamp, first, odd, entries]: Stored,
): readonly PublishOutcome[] {
  const { topic, partition } = share
  const nextPosition = positionsFrom(placeOfId(`${stamp}${first}`))
  const stored = (): PublishOutcome => ({ outcome: 'stored', partition, position: nextPosition() })
  return packs.flatMap(({ records }, pack) => {
    const here = odd.filter(([at]) => at === pack)
    if (here.length === 0) return records.map(stored)
    const places = new Map(here.map(([, , id = '', place]) => [unescapeText(id), place]))
    return records.map((record) => {
      const place = places.get(record.id)
      if (place !== undefined)
        return duplicateOf(
          share,
          record,
          entries.find(([id]) => id === place),
        )
      return here.some(([, kind]) => kind === 'full') ? { outcome: 'rejected', error: topicFull(topic) } : stored()
    })
  })
}

function duplicateOf(
  { topic: { topic }, partition }: Share,
  { id, source }: PublishRecord,
  entry?: Entry,
): PublishOutcome {
  const isIt = (one: Origin): boolean => one.id === id && one.source === source
  const [stored] = entry === undefined ? [] : recordsOf(topic, partition, entry, isIt)
  if (stored !== undefined) return { outcome: 'duplicate', partition, position: stored.position, body: stored.body }
  const message = `The event "${id}" is said to be in an entry of the topic "${topic}" that does not have it.`
  return { outcome: 'rejected', error: new MillraceError('engine_corrupt', message) }
}

/** The server has the events; whatever kept it from saying that replicas have them does not take that back. */
function notConfirmed(error: unknown): unknown {
  if (!isMillraceError(error)) return error
  const { code, message, retriable, cause, facts } = error
  return new MillraceError(code, message, { retriable, cause, facts: { ...facts, sent: true } })
}

function textOf({ events, bytes }: Room): [string, string] {
  return [events, bytes].map((left) => (left === Infinity ? '-1' : String(Math.max(0, left)))) as [string, string]
}

function topicFull({ topic }: Topic): MillraceError {
  return new MillraceError(
    'topic_full',
    `The topic "${topic}" is at its hard cap with events that a group has not read. Wait for the group, raise the cap or let unread events expire.`,
    { retriable: true, facts: { topic } },
  )
}
