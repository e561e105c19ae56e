import type { FetchReply } from '../read/fetch.ts'
import type { EventRow } from '../read/records.ts'
import type { Reply } from './host.ts'

/** A piece of a fetch that is sent ahead of its reply. */
export interface ReplyPart {
  readonly partition: number
  readonly rows: readonly EventRow[]
}

/**
 * V8 puts what it reads from a message of more than 100 KB straight into the old generation (`ValueDeserializer`), where
 * the events of a backlog would pile up until the next full collection. Parts below that die young.
 */
const PART_CHARACTERS = 40_000

/** Takes the rows of a large fetch out of its reply, in parts small enough. */
export function splitReply(reply: Reply): { readonly parts: readonly ReplyPart[]; readonly rest: Reply } {
  if (!isFetch(reply.value) || isSmall(reply.value)) return { parts: [], rest: reply }
  const parts = reply.value.partitions.flatMap(partsOf)
  return { parts, rest: { ...reply, value: { ...reply.value, partitions: [] } } }
}

/** The reply as it was before it was split. */
export function joinReply(reply: Reply, parts: readonly ReplyPart[]): Reply {
  if (!isFetch(reply.value)) return reply
  const byPartition = new Map<number, EventRow[]>()
  for (const { partition, rows } of parts) {
    const known = byPartition.get(partition)
    if (known === undefined) byPartition.set(partition, [...rows])
    else for (const row of rows) known.push(row)
  }
  return {
    ...reply,
    value: { ...reply.value, partitions: [...byPartition].map(([partition, rows]) => ({ partition, rows })) },
  }
}

function partsOf({ partition, rows }: FetchReply['partitions'][number]): ReplyPart[] {
  const parts: ReplyPart[] = []
  let part: EventRow[] = []
  let characters = 0
  for (const row of rows) {
    part.push(row)
    characters += row[5].length
    if (characters < PART_CHARACTERS) continue
    parts.push({ partition, rows: part })
    part = []
    characters = 0
  }
  if (part.length > 0) parts.push({ partition, rows: part })
  return parts
}

function isSmall({ partitions }: FetchReply): boolean {
  let characters = 0
  for (const { rows } of partitions) {
    for (const row of rows) characters += row[5].length
    if (characters > PART_CHARACTERS) return false
  }
  return true
}

function isFetch(value: unknown): value is FetchReply {
  return typeof value === 'object' && value !== null && 'partitions' in value && 'types' in value
}
