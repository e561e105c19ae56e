import type { FetchReply } from '../read/fetch.ts'
import type { EventRow } from '../read/records.ts'
import type { ExchangeReply } from '../write/tasks/exchange-wire.ts'
import type { Reply } from './host.ts'

/** A piece of a large reply that is sent ahead of it: rows of a fetch, or texts of claimed tasks. */
export type ReplyPart = { readonly partition: number; readonly rows: readonly EventRow[] } | { readonly text: string }

/**
 * V8 puts what it reads from a message of more than 100 KB straight into the old generation (`ValueDeserializer`), where
 * the events of a backlog would pile up until the next full collection. Parts below that die young.
 */
const PART_CHARACTERS = 40_000

/** Takes the rows or texts of a large reply out of it, in parts small enough. */
export function splitReply(reply: Reply): { readonly parts: readonly ReplyPart[]; readonly rest: Reply } {
  const { value } = reply
  if (isExchange(value) && value.texts.length > 1) {
    return { parts: value.texts.map((text) => ({ text })), rest: { ...reply, value: { ...value, texts: [] } } }
  }
  if (!isFetch(value) || isSmall(value)) return { parts: [], rest: reply }
  const parts = value.partitions.flatMap(partsOf)
  return { parts, rest: { ...reply, value: { ...value, partitions: [] } } }
}

/** The reply as it was before it was split. */
export function joinReply(reply: Reply, parts: readonly ReplyPart[]): Reply {
  const { value } = reply
  if (isExchange(value)) {
    return { ...reply, value: { ...value, texts: parts.flatMap((part) => ('text' in part ? [part.text] : [])) } }
  }
  if (!isFetch(value)) return reply
  const byPartition = new Map<number, EventRow[]>()
  for (const part of parts) {
    if ('text' in part) continue
    const known = byPartition.get(part.partition)
    if (known === undefined) byPartition.set(part.partition, [...part.rows])
    else for (const row of part.rows) known.push(row)
  }
  return {
    ...reply,
    value: { ...value, partitions: [...byPartition].map(([partition, rows]) => ({ partition, rows })) },
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

function isExchange(value: unknown): value is ExchangeReply {
  return typeof value === 'object' && value !== null && 'texts' in value && 'claimed' in value
}
