import type { Connection } from '../client/connection.ts'
import { positionOf } from '../position.ts'
import { PARTITION_STATES } from '../scripts/topics.ts'
import type { Topic } from './registry.ts'

/** A partition as its server keeps it. */
export interface PartitionState {
  readonly partition: number
  /** When the newest event was recorded, and its number; 0 for none. */
  readonly ms: number
  readonly n: number
  /** Bytes of the bodies held. */
  readonly bytes: number
  /** Events dropped that some group had not settled. */
  readonly expired: number
  /** The number of the newest event that retention has dropped; 0 for none. */
  readonly trimmed: number
  /** Undefined when the partition is missing. */
  readonly incarnation: string | undefined
}

/** The states of all partitions of topics: one call, or one for each partition of a cluster. */
export async function readStates(redis: Connection, topics: readonly Topic[]): Promise<readonly PartitionState[][]> {
  const places = topics.flatMap(({ topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => redis.keys.partition(topic, partition).meta),
  )
  const rows = await rowsOf(redis, places)
  let at = 0
  return topics.map(({ partitions }) =>
    rows.slice(at, (at += partitions)).map(([ms, n, bytes, expired, trimmed, incarnation], partition) => ({
      partition,
      ms: Number(ms ?? 0),
      n: Number(n ?? 0),
      bytes: Number(bytes ?? 0),
      expired: Number(expired ?? 0),
      trimmed: Number(trimmed ?? 0),
      incarnation: incarnation ?? undefined,
    })),
  )
}

/** The newest position of a partition; undefined when it never had an event. */
export function headOf({ ms, n }: PartitionState): string | undefined {
  return n === 0 ? undefined : positionOf({ ms, n })
}

type Row = readonly (string | null)[]

async function rowsOf(redis: Connection, metas: readonly string[]): Promise<readonly Row[]> {
  if (metas.length === 0) return []
  const chunks = redis.clustered ? metas.map((meta) => [meta]) : inChunks(metas, 1_000)
  const replies = await Promise.all(chunks.map((keys) => redis.run(PARTITION_STATES, keys, [])))
  return replies.flat() as Row[]
}

function inChunks<Value>(values: readonly Value[], size: number): Value[][] {
  const chunks: Value[][] = []
  for (let at = 0; at < values.length; at += size) chunks.push(values.slice(at, at + size))
  return chunks
}
