import type { ConsumeOptions, Consumer, StoredRecord } from '@millrace/core/driver'
import { closedError, type Connection } from '../client/connection.ts'
import type { TopicChanges } from '../driver/topic-changes.ts'
import { encodeProgress } from '../groups/progress.ts'
import { placeName } from '../keys.ts'
import { SETTLE } from '../scripts/groups.ts'
import { createPartitionReadings } from './partition-readings.ts'
import { until } from './until.ts'

/** Reads the partitions of one member, each by its position; the core keeps the durable progress. */
export function createConsumer(
  redis: Connection,
  { changes, ended }: { readonly changes: TopicChanges; readonly ended: AbortSignal },
  { topic, group, partitions }: ConsumeOptions,
): Consumer {
  const readings = createPartitionReadings(redis, { topic, group, partitions })
  const closing = new AbortController()
  let wake: (() => void) | undefined
  const unlisten = partitions.length === 0 ? () => {} : changes.listen(topic, onChange)

  function onChange(partition: number | undefined): void {
    readings.mark(partition)
    wake?.()
  }

  async function next(
    max: number,
    paused: ReadonlySet<number> | undefined,
    { marks, stop }: { readonly marks: boolean; readonly stop: AbortSignal },
  ): Promise<StoredRecord[]> {
    while (!stop.aborted) {
      const records = readings.take(max, paused)
      if (records.length > 0) {
        // While the caller works on these, the next ones are on their way; what fails is read again when it is waited for.
        readings.read(max, paused, marks)?.catch(() => undefined)
        return records
      }
      const reading = readings.read(max, paused, marks)
      if (reading === undefined) await until(new Promise<void>((resolve) => (wake = resolve)), stop)
      else await until(reading, stop)
      wake = undefined
    }
    return []
  }

  return {
    async fetch({ max, paused, signal, mark = false }) {
      if (redis.closing || closing.signal.aborted) return []
      const stop = AbortSignal.any([ended, closing.signal, ...(signal === undefined ? [] : [signal])])
      try {
        return await next(max, paused, { marks: mark, stop })
      } catch (error) {
        if (stop.aborted || redis.closing) return []
        throw error
      }
    },
    marked: readings.marked,
    async settle(progress) {
      if (redis.closing) throw closedError(redis.where)
      if (progress.length === 0) return { fenced: [] }
      const { leases, progress: stored } = redis.keys.group(group)
      const args = progress.flatMap((each) => [
        placeName(topic, each.partition),
        String(each.token),
        encodeProgress(each),
      ])
      const refused = (await redis.run(SETTLE, [leases, stored], args)) as readonly number[]
      return { fenced: refused.flatMap((index) => progress[index]?.partition ?? []) }
    },
    async close() {
      if (closing.signal.aborted) return
      closing.abort()
      unlisten()
    },
  }
}
