import type { Connection } from '../client/connection.ts'
import { placeName } from '../keys.ts'
import { numberOf } from '../position.ts'
import type { Registry, Topic } from '../log/registry.ts'
import { decodeProgress } from './progress.ts'

/** Per partition the number up to which every group of the topic has settled; undefined where no group reads. */
export async function unreadFloors(
  redis: Connection,
  registry: Registry,
  topic: Topic,
): Promise<readonly (number | undefined)[]> {
  const floors: (number | undefined)[] = Array.from({ length: topic.partitions }, () => undefined)
  for (const progress of await progressOfGroups(redis, registry, topic)) {
    for (const [partition, text] of progress.entries()) {
      if (text === null) continue
      floors[partition] = Math.min(floors[partition] ?? Infinity, numberOf(decodeProgress(text).settled))
    }
  }
  return floors
}

/** What each group of a topic has stored of its progress, by partition; null where it has no start. */
export async function progressOfGroups(
  redis: Connection,
  registry: Registry,
  { topic, partitions }: Topic,
): Promise<readonly (readonly (string | null)[])[]> {
  const readers = [...(await registry.groups())].filter(([, topics]) => topics.includes(topic))
  const fields = Array.from({ length: partitions }, (_, partition) => placeName(topic, partition))
  return Promise.all(
    readers.map(async ([group]) => {
      const { progress } = redis.keys.group(group)
      return (await redis.call(['HMGET', progress, ...fields], progress)) as readonly (string | null)[]
    }),
  )
}
