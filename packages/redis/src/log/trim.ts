import type { Retention } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { unreadFloors } from '../groups/floors.ts'
import type { Place } from '../position.ts'
import { TRIM, TRIM_PERMIT } from '../scripts/retention.ts'
import type { Registry, Topic } from './registry.ts'
import { type PartitionState, readStates } from './states.ts'

/** Entries, of several events each, that one call drops at most: some milliseconds of the server's time. */
const CHUNK = 100

const EVERYTHING: Place = { ms: Infinity, n: Infinity }

/** Drops what is beyond the limits of a topic and may go. */
export async function trimTopic(redis: Connection, registry: Registry, topic: Topic): Promise<void> {
  const metas = Array.from({ length: topic.partitions }, (_, at) => redis.keys.partition(topic.topic, at).meta)
  const [states = []] = await readStates(redis, [topic])
  if (!isBeyond(topic.retention, states)) return
  // The permits first: a group that is moved after this makes them invalid.
  const permits = await Promise.all(metas.map((meta) => redis.run(TRIM_PERMIT, [meta], [])))
  const floors = await unreadFloors(redis, registry, topic)
  const shares = sharesOf(topic.retention, states)
  for (const state of states) {
    const permit = permits[state.partition]
    const share = shares[state.partition]
    if (typeof permit !== 'string' || share === undefined) continue
    await trimPartition(redis, topic, { state, permit, share, floor: floors[state.partition] })
  }
}

interface Share {
  readonly events: number
  readonly bytes: number
}

interface PartitionTrim {
  readonly state: PartitionState
  readonly permit: string
  readonly share: Share
  readonly floor: Place | undefined
}

async function trimPartition(
  redis: Connection,
  { topic, retention }: Topic,
  { state, permit, share, floor = EVERYTHING }: PartitionTrim,
): Promise<void> {
  const { log, meta, ids, flows } = redis.keys.partition(topic, state.partition)
  const upTo = retention.whenUnread === 'expire' ? EVERYTHING : floor
  const before = retention.maxAgeMs === undefined ? 0 : redis.runtime.now() - retention.maxAgeMs
  const limits = [upTo.ms, upTo.n, CHUNK, floor.ms, floor.n, before, share.events, share.bytes].map(textOf)
  for (;;) {
    const dropped = await redis.run(TRIM, [log, meta, ids, flows], [permit, ...limits])
    if (Number(dropped) < CHUNK || redis.closing) return
  }
}

/** Whether anything could go at all. */
function isBeyond(
  { maxAgeMs, maxEvents = Infinity, maxBytes = Infinity }: Retention,
  states: readonly PartitionState[],
): boolean {
  const held = states.reduce((sum, { n, trimmed }) => sum + n - trimmed, 0)
  const bytes = states.reduce((sum, state) => sum + state.bytes, 0)
  return held > 0 && (maxAgeMs !== undefined || held > maxEvents || bytes > maxBytes)
}

/** What each partition may keep: the limits of the topic, shared out by what each partition holds now. */
function sharesOf({ maxEvents, maxBytes }: Retention, states: readonly PartitionState[]): Share[] {
  const held = states.reduce((sum, { n, trimmed }) => sum + n - trimmed, 0)
  const bytes = states.reduce((sum, state) => sum + state.bytes, 0)
  return states.map((state) => ({
    events:
      maxEvents === undefined || held <= maxEvents
        ? Infinity
        : Math.floor((maxEvents * (state.n - state.trimmed)) / held),
    bytes: maxBytes === undefined || bytes <= maxBytes ? Infinity : Math.floor((maxBytes * state.bytes) / bytes),
  }))
}

function textOf(number: number): string {
  return number === Infinity ? '1e300' : String(number)
}
