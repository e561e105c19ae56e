import { MillraceError, type PartitionLag, type Position, type Progress, type StartAt } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import type { Entry } from '../entry.ts'
import { placeName } from '../keys.ts'
import { groupField, type Registry, type Topic } from '../log/registry.ts'
import { headOf, type PartitionState, readStates } from '../log/states.ts'
import { withTrimHeld } from '../log/trim-hold.ts'
import { idOf, numberOf, placeOf, positionOfId, timeOf } from '../position.ts'
import { MOVE_GROUP, START_GROUP } from '../scripts/groups.ts'
import { decodeProgress, encodeProgress } from './progress.ts'

/** Gives the group a start in the topics where it has none. All or nothing; throws `topic_unknown`. */
export async function ensureGroup(
  redis: Connection,
  registry: Registry,
  { group, topics, from }: { readonly group: string; readonly topics: readonly string[]; readonly from: StartAt },
): Promise<void> {
  const all: Topic[] = []
  for (const topic of topics) all.push(await registry.topic(topic))
  registry.wanted.groups.set(group, new Set([...(registry.wanted.groups.get(group) ?? []), ...topics]))
  const known = await progressOf(redis, group, all)
  const fresh = all.filter((_, at) => known[at]?.some((text) => text === null) !== false)
  if (fresh.length === 0) return
  await withTrimHeld(redis, fresh, async () => {
    const { leases, progress } = redis.keys.group(group)
    const args = await startArgs(redis, fresh, from)
    const fields = fresh.flatMap(({ topic }) => [groupField(group, topic), '1'])
    await redis.call(['HSET', redis.keys.groups, ...fields], redis.keys.groups)
    await redis.run(START_GROUP, [leases, progress], args)
  })
}

/** Moves the group and raises the tokens, so that running members are fenced off. Throws `group_unknown`, `topic_unknown`. */
export async function seekGroup(
  redis: Connection,
  registry: Registry,
  { group, topic: name, to }: { readonly group: string; readonly topic: string; readonly to: StartAt },
): Promise<void> {
  const topic = await registry.topic(name)
  await groupProgress(redis, group, topic)
  await withTrimHeld(redis, [topic], async () => {
    const { leases, progress, marks } = redis.keys.group(group)
    await redis.run(MOVE_GROUP, [leases, progress, marks], await startArgs(redis, [topic], to))
  })
}

/** How far the group is behind in each partition. Exact, as numbers have no gaps. Throws `group_unknown`, `topic_unknown`. */
export async function groupLag(
  redis: Connection,
  registry: Registry,
  { group, topic: name }: { readonly group: string; readonly topic: string },
): Promise<readonly PartitionLag[]> {
  const topic = await registry.topic(name)
  const [progress, [states = []]] = await Promise.all([groupProgress(redis, group, topic), readStates(redis, [topic])])
  return Promise.all(
    states.map((state) => {
      const text = progress[state.partition]
      return lagOf(redis, name, state, text === null || text === undefined ? undefined : decodeProgress(text))
    }),
  )
}

async function lagOf(
  redis: Connection,
  topic: string,
  state: PartitionState,
  progress: Progress | undefined,
): Promise<PartitionLag> {
  const { partition, n: head, trimmed } = state
  let next = Math.max(numberOf(progress?.settled), trimmed) + 1
  let before = progress?.settled
  let lag = Math.max(0, head + 1 - next)
  for (const [from, to] of progress?.ahead ?? []) {
    const first = Math.max(numberOf(from), next)
    const last = Math.min(numberOf(to), head)
    if (last < first) continue
    lag -= last - first + 1
    if (first !== next) continue
    next = last + 1
    before = to
  }
  const oldest = lag === 0 ? undefined : await recordedAfter(redis, { topic, partition, after: before })
  return {
    partition,
    head: headOf(state),
    settled: progress?.settled,
    lag,
    exact: true,
    oldestUnsettledAt: oldest,
  }
}

/** When the first event after a position was recorded: as all of its entry. */
async function recordedAfter(
  redis: Connection,
  {
    topic,
    partition,
    after,
  }: { readonly topic: string; readonly partition: number; readonly after: Position | undefined },
): Promise<number | undefined> {
  const { log } = redis.keys.partition(topic, partition)
  const from = after === undefined ? '-' : `(${idOf(after)}`
  const [entry] = (await redis.call(['XRANGE', log, from, '+', 'COUNT', '1'], log)) as readonly Entry[]
  return entry === undefined ? undefined : timeOf(positionOfId(entry[0]))
}

/** Place and progress of each partition, as the scripts take them. */
async function startArgs(redis: Connection, topics: readonly Topic[], at: StartAt): Promise<string[]> {
  const states = await readStates(redis, topics)
  const starts = await Promise.all(
    topics.map(({ topic }, index) =>
      Promise.all((states[index] ?? []).map((state) => startIn(redis, topic, state, at))),
    ),
  )
  return topics.flatMap(({ topic }, index) =>
    (starts[index] ?? []).flatMap((settled, partition) => [
      placeName(topic, partition),
      encodeProgress({ settled, ahead: [], fetchedHigh: undefined, aheadCount: 0, attempts: [] }),
    ]),
  )
}

/** The position after which `at` begins. */
async function startIn(
  redis: Connection,
  topic: string,
  state: PartitionState,
  at: StartAt,
): Promise<Position | undefined> {
  if (at === 'earliest') return undefined
  if (at === 'latest') return headOf(state)
  if ('time' in at) {
    if (at.time <= 0) return undefined
    const { log } = redis.keys.partition(topic, state.partition)
    const range = ['XREVRANGE', log, String(Math.ceil(at.time) - 1), '-', 'COUNT', '1']
    const [entry] = (await redis.call(range, log)) as readonly Entry[]
    return entry === undefined ? undefined : positionOfId(entry[0])
  }
  const given = at.after.find(({ partition }) => partition === state.partition)?.position
  if (given === undefined) return undefined
  const { ms, n } = placeOf(given)
  if (ms < state.ms || (ms === state.ms && n <= state.n)) return given
  throw new MillraceError(
    'position_invalid',
    `The position ${given} is beyond the newest event of partition ${state.partition}.`,
  )
}

async function progressOf(
  redis: Connection,
  group: string,
  topics: readonly Topic[],
): Promise<readonly (readonly (string | null)[])[]> {
  const { progress } = redis.keys.group(group)
  return Promise.all(
    topics.map(async ({ topic, partitions }) => {
      const fields = Array.from({ length: partitions }, (_, partition) => placeName(topic, partition))
      return (await redis.call(['HMGET', progress, ...fields], progress)) as readonly (string | null)[]
    }),
  )
}

async function groupProgress(redis: Connection, group: string, topic: Topic): Promise<readonly (string | null)[]> {
  const [progress = []] = await progressOf(redis, group, [topic])
  if (progress.some((text) => text !== null)) return progress
  throw new MillraceError(
    'group_unknown',
    `The group "${group}" does not exist, or has no start in the topic "${topic.topic}". Subscribe with it first.`,
  )
}
