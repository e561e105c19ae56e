import type { Connection } from '../client/connection.ts'
import { placeName } from '../keys.ts'
import { type Place, placeOf } from '../position.ts'
import type { Registry, Topic } from '../log/registry.ts'
import { decodeProgress } from './progress.ts'

/**
 * Per partition the place up to which every group of the topic has settled; undefined where no group reads. It is more than
 * a number: after a failover that has lost events their numbers are given again, at a later time.
 */
export async function unreadFloors(
  redis: Connection,
  registry: Registry,
  topic: Topic,
): Promise<readonly (Place | undefined)[]> {
  const floors: (Place | undefined)[] = Array.from({ length: topic.partitions }, () => undefined)
  for (const progress of await progressOfGroups(redis, registry, topic)) {
    for (const [partition, text] of progress.entries()) {
      if (text === null) continue
      const { settled } = decodeProgress(text)
      const place = settled === undefined ? { ms: 0, n: 0 } : placeOf(settled)
      const lowest = floors[partition]
      if (lowest === undefined || isBefore(place, lowest)) floors[partition] = place
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

function isBefore(one: Place, other: Place): boolean {
  return one.ms < other.ms || (one.ms === other.ms && one.n < other.n)
}
