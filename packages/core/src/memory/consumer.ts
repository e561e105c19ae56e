import type { Position } from '../driver/position.ts'
import type { StoredRecord } from '../driver/record.ts'
import type { ConsumeOptions, Consumer } from '../driver/transport.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { MemoryEngine } from './engine.ts'
import { mark as storeMark, settle } from './groups.ts'
import { sequenceOf } from './position.ts'
import { take } from './reading.ts'
import { topicOf } from './topics.ts'
import { waitForAppend } from './wake.ts'

/** Reads some partitions for the member that owns them, each from its own place on. */
export function createConsumer(
  engine: MemoryEngine,
  { runtime, signal: driverSignal }: { readonly runtime: Runtime; readonly signal: AbortSignal },
  { topic, group, partitions }: ConsumeOptions,
): Consumer {
  topicOf(engine, topic)
  const cursors = new Map(partitions.map(({ partition, after }) => [partition, sequenceOf(after)]))
  const tokens = new Map(partitions.map(({ partition, token }) => [partition, token]))
  const marked = new Map<number, Position>()
  const closing = new AbortController()
  let turn = 0

  function taken(max: number, paused: ReadonlySet<number> | undefined): StoredRecord[] {
    const open = [...cursors].filter(([partition]) => !paused?.has(partition))
    turn = (turn + 1) % Math.max(1, open.length)
    const records = take(engine, topic, new Map([...open.slice(turn), ...open.slice(0, turn)]), max)
    for (const record of records) cursors.set(record.partition, sequenceOf(record.position))
    return records
  }

  function mark(records: readonly StoredRecord[]): void {
    for (const { partition, position } of records) {
      const token = tokens.get(partition) ?? 0
      if (storeMark(engine, { group, topic, partition }, { token, position })) marked.set(partition, position)
    }
  }

  return {
    async fetch({ max, paused, signal, mark: wanted }) {
      const stop = AbortSignal.any([driverSignal, closing.signal, ...(signal === undefined ? [] : [signal])])
      while (!stop.aborted) {
        const records = taken(max, paused)
        if (wanted === true) mark(records)
        if (records.length > 0) return records
        await waitForAppend(engine, topic, { runtime, signal: stop })
      }
      return []
    },
    marked: (partition) => marked.get(partition),
    async settle(progress) {
      if (driverSignal.aborted) throw new MillraceError('closed', 'The memory engine is closed.')
      return { fenced: settle(engine, group, topic, progress) }
    },
    async close() {
      closing.abort()
    },
  }
}
