import type { PublishRecord } from '@millrace/core/driver'
import type { Word } from '../client/link.ts'
import { escapeText, headerOf } from '../entry.ts'
import { bucketOf } from '../id-bucket.ts'

/** Events that go into one entry of a stream. */
export interface Pack {
  readonly records: PublishRecord[]
  characters: number
  highestId: string
}

/** An entry is read whole: what a reader has to take at once. */
const MOST_EVENTS = 64
const MOST_CHARACTERS = 32 * 1024

/**
 * Events of a partition as entries, in their order: each of one source and no id twice, so that the script can tell of each whether it is there
 * already. `alone` gives each an entry of its own, which may find room or not.
 */
export function packsOf(batch: readonly PublishRecord[], indexes: readonly number[], alone: boolean): readonly Pack[] {
  const packs: Pack[] = []
  let open: Pack | undefined
  for (const index of indexes) {
    const record = batch[index]
    if (record === undefined) continue
    if (open === undefined || alone || !takes(open, record)) {
      open = { records: [], characters: 0, highestId: record.id }
      packs.push(open)
    }
    open.records.push(record)
    open.characters += record.body.length
  }
  return packs
}

function takes(pack: Pack, { source, id, body }: PublishRecord): boolean {
  const { records, characters, highestId } = pack
  if (records.length >= MOST_EVENTS || characters + body.length > MOST_CHARACTERS) return false
  if (records[0]?.source !== source) return false
  // Ids of one publisher ascend: most need not be looked for.
  if (id <= highestId) return records.every((one) => one.id !== id)
  pack.highestId = id
  return true
}

/** The arguments of the script for an entry: how many events, header, bodies, how many buckets of ids and flows; the buckets, their ids, the flows. */
export function argumentsOf({ records }: Pack): Word[] {
  const buckets: string[] = []
  const rests: string[] = []
  const flows: string[] = []
  let bodies = ''
  for (const { id, correlationId = '', body } of records) {
    const { bucket, rest } = bucketOf(id)
    const at = buckets.at(-1) === bucket ? buckets.length - 1 : buckets.indexOf(bucket)
    if (at === -1) {
      buckets.push(bucket)
      rests.push(rest)
    } else rests[at] += ` ${rest}`
    if (correlationId !== '') flows.push(escapeText(correlationId))
    bodies += body
  }
  const header = headerOf(records[0]?.source ?? '', records)
  const counts = [String(buckets.length), String(flows.length)]
  // As text the client would put the whole command together and encode it at once: three times the work.
  return [String(records.length), header, Buffer.from(bodies), ...counts, ...buckets, ...rests, ...flows]
}
