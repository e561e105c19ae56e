import type { LogIndex, StoredRecord } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { type Entry, escapeText, type Origin, recordsOf } from '../entry.ts'
import { bucketOf, entriesIn } from '../id-bucket.ts'
import type { Registry } from './registry.ts'

const MOST_BY_ID = 100

/** Finds events by id and by flow: a look-up in each partition, none of them a scan. */
export function createLogIndex(redis: Connection, registry: Registry): LogIndex {
  async function inEach<Found>(
    look: (topic: string, partition: number) => Promise<readonly Found[]>,
  ): Promise<Found[]> {
    const topics = await registry.all()
    const places = topics.flatMap(({ topic, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => [topic, partition] as const),
    )
    return (await Promise.all(places.map(([topic, partition]) => look(topic, partition)))).flat()
  }

  /** The events of entries that are wanted. */
  async function recordsAt(
    topic: string,
    partition: number,
    entries: readonly string[],
    isWanted: (origin: Origin) => boolean,
  ): Promise<readonly StoredRecord[]> {
    const { log } = redis.keys.partition(topic, partition)
    const replies = await Promise.all(entries.map((id) => redis.call(['XRANGE', log, id, id], log)))
    return (replies as readonly (readonly Entry[])[])
      .flat()
      .flatMap((entry) => recordsOf(topic, partition, entry, isWanted))
  }

  function byId(id: string, isWanted: (origin: Origin) => boolean): Promise<StoredRecord[]> {
    const place = bucketOf(id)
    return inEach(async (topic, partition) => {
      const { ids } = redis.keys.partition(topic, partition)
      const held = await redis.call(['HGET', ids, place.bucket], ids)
      if (typeof held !== 'string') return []
      return recordsAt(topic, partition, entriesIn(held, place), (origin) => origin.id === id && isWanted(origin))
    })
  }

  return {
    async byId(id, source) {
      return (await byId(id, (origin) => source === undefined || origin.source === source)).slice(0, MOST_BY_ID)
    },
    async byCorrelation(correlationId, limit) {
      const flow = escapeText(correlationId)
      const [roots, members] = await Promise.all([
        byId(correlationId, (origin) => origin.correlationId === undefined),
        inEach(async (topic, partition) => {
          const { flows } = redis.keys.partition(topic, partition)
          const range = ['ZRANGEBYLEX', flows, `[${flow}\n`, `(${flow}\u000b`, 'LIMIT', '0', String(limit)]
          const found = (await redis.call(range, flows)) as readonly string[]
          const entries = found.map((member) => member.slice(flow.length + 1))
          return recordsAt(topic, partition, entries, (origin) => origin.correlationId === correlationId)
        }),
      ])
      return [...roots, ...members]
        .toSorted(
          (a, b) => a.recordedAt - b.recordedAt || a.partition - b.partition || (a.position < b.position ? -1 : 1),
        )
        .slice(0, limit)
    },
  }
}
