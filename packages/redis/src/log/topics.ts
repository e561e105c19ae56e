import type { GroupInfo, TopicInfo, TopicOptions } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { placeName } from '../keys.ts'
import { forgetTopic, removeGroup } from '../groups/removal.ts'
import { groupField, type Registry, type Topic } from './registry.ts'
import { type PartitionState, readStates } from './states.ts'
import { trimTopic } from './trim.ts'

/** Makes a topic unless it exists. Throws `limit_exceeded`. */
export async function ensureTopic(
  redis: Connection,
  registry: Registry,
  { topic, options }: { readonly topic: string; readonly options: TopicOptions },
): Promise<TopicInfo> {
  const made = await registry.ensure(topic, options)
  if (options.retention !== undefined) await trimTopic(redis, registry, made)
  const [states = []] = await readStates(redis, [made])
  return infoOf(made, states)
}

/** All topics and groups by name. */
export async function list(
  redis: Connection,
  registry: Registry,
): Promise<{ readonly topics: readonly TopicInfo[]; readonly groups: readonly GroupInfo[] }> {
  const [topics, groups] = await Promise.all([registry.all(), registry.groups()])
  const states = await readStates(redis, topics)
  return {
    topics: topics.map((topic, at) => infoOf(topic, states[at] ?? [])),
    groups: [...groups].map(([group, ofGroup]) => ({ group, topics: ofGroup })),
  }
}

/** Removes a topic with its events, or a group with everything of it. Throws `topic_unknown`, `group_unknown`. */
export async function remove(
  redis: Connection,
  registry: Registry,
  what: { readonly topic: string } | { readonly group: string },
): Promise<void> {
  const groups = await registry.groups()
  if ('group' in what) {
    await removeGroup(redis, what.group, groups.get(what.group))
    registry.wanted.groups.delete(what.group)
    return
  }
  const { topic, partitions } = await registry.topic(what.topic)
  await redis.call(['HDEL', redis.keys.topics, topic], redis.keys.topics)
  registry.forget(topic)
  for (const [group, topics] of groups) {
    if (!topics.includes(topic)) continue
    const places = Array.from({ length: partitions }, (_, partition) => placeName(topic, partition))
    await forgetTopic(redis, group, places)
    await redis.call(['HDEL', redis.keys.groups, groupField(group, topic)], redis.keys.groups)
    registry.wanted.groups.get(group)?.delete(topic)
  }
  for (let partition = 0; partition < partitions; partition += 1) {
    const { log, meta, ids, flows } = redis.keys.partition(topic, partition)
    await redis.call(['UNLINK', log, meta, ids, flows], log)
  }
}

function infoOf({ topic, partitions, retention }: Topic, states: readonly PartitionState[]): TopicInfo {
  const sum = (of: (state: PartitionState) => number): number => states.reduce((total, state) => total + of(state), 0)
  return {
    topic,
    partitions,
    epoch: 1,
    retention,
    published: sum(({ n }) => n),
    held: sum(({ n, trimmed }) => n - trimmed),
    bytes: sum(({ bytes }) => bytes),
    expiredUnread: sum(({ expired }) => expired),
  }
}
