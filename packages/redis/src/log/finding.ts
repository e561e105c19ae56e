import type { LogIndex, StoredRecord } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { type Entry, escapeText, readHeader, recordOf } from '../entry.ts'
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

  async function entriesAt(topic: string, partition: number, ids: readonly string[]): Promise<readonly Found[]> {
    const { log } = redis.keys.partition(topic, partition)
    const replies = await Promise.all(ids.map((id) => redis.call(['XRANGE', log, id, id], log)))
    return (replies as readonly (readonly Entry[])[])
      .flat()
      .map((entry) => ({ record: recordOf(topic, partition, entry), header: readHeader(entry[1][1] ?? '') }))
  }

  function byId(id: string): Promise<readonly Found[]> {
    return inEach(async (topic, partition) => {
      const { ids } = redis.keys.partition(topic, partition)
      const places = await redis.call(['HGET', ids, escapeText(id)], ids)
      if (typeof places !== 'string') return []
      return entriesAt(
        topic,
        partition,
        places.split('\n').filter((_, at, all) => at % 2 === 0 && at < all.length - 1),
      )
    })
  }

  return {
    async byId(id, source) {
      return (await byId(id))
        .filter(({ header }) => source === undefined || header.source === source)
        .slice(0, MOST_BY_ID)
        .map(({ record }) => record)
    },
    async byCorrelation(correlationId, limit) {
      const flow = escapeText(correlationId)
      const [roots, members] = await Promise.all([
        byId(correlationId),
        inEach(async (topic, partition) => {
          const { flows } = redis.keys.partition(topic, partition)
          const range = ['ZRANGEBYLEX', flows, `[${flow}\n`, `(${flow}\u000b`, 'LIMIT', '0', String(limit)]
          const found = (await redis.call(range, flows)) as readonly string[]
          return entriesAt(
            topic,
            partition,
            found.map((member) => member.slice(flow.length + 1)),
          )
        }),
      ])
      return [...roots.filter(({ header }) => header.correlationId === undefined), ...members]
        .map(({ record }) => record)
        .toSorted(
          (a, b) => a.recordedAt - b.recordedAt || a.partition - b.partition || (a.position < b.position ? -1 : 1),
        )
        .slice(0, limit)
    },
  }
}

interface Found {
  readonly record: StoredRecord
  readonly header: ReturnType<typeof readHeader>
}
