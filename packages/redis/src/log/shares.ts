import type { PublishRecord } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import type { Topic } from './registry.ts'

/** What goes to one partition: indexes into the batch. */
export interface Share {
  readonly topic: Topic
  readonly partition: number
  readonly indexes: readonly number[]
}

/** Shares that go out in one script; never none. */
export type Call = readonly [Share, ...Share[]]

/** Records of one script call: it holds the server for some milliseconds at most. */
const MOST_AT_ONCE = 500

/** Records by topic and partition, each share in the order of the batch. `topicOf` gives undefined for what is not sent. */
export function sharesOf(
  records: readonly PublishRecord[],
  topicOf: (record: PublishRecord, index: number) => Topic | undefined,
): readonly Share[] {
  const shares = new Map<Topic, ({ readonly partition: number; readonly indexes: number[] } | undefined)[]>()
  records.forEach((record, index) => {
    const topic = topicOf(record, index)
    if (topic === undefined) return
    const { partition } = record
    let ofTopic = shares.get(topic)
    if (ofTopic === undefined) shares.set(topic, (ofTopic = []))
    const share = ofTopic[partition]
    if (share === undefined) ofTopic[partition] = { partition, indexes: [index] }
    else share.indexes.push(index)
  })
  return [...shares].flatMap(([topic, ofTopic]) =>
    ofTopic.flatMap((share) => (share === undefined ? [] : inParts({ topic, ...share }))),
  )
}

/** A share in parts that one script takes, in their order. */
function inParts(share: Share): Share[] {
  if (share.indexes.length <= MOST_AT_ONCE) return [share]
  const parts: Share[] = []
  for (let at = 0; at < share.indexes.length; at += MOST_AT_ONCE) {
    parts.push({ ...share, indexes: share.indexes.slice(at, at + MOST_AT_ONCE) })
  }
  return parts
}

/**
 * What goes out together: on one server whatever has no cap, in scripts of a bearable size. A share whose room has to be known goes by
 * itself, and so do all where their keys are of several servers or one call may overtake another.
 */
export function callsOf({ clustered, keepsOrder }: Connection, shares: readonly Share[]): readonly Call[] {
  if (clustered || !keepsOrder) return shares.map((share) => [share])
  const calls: [Share, ...Share[]][] = []
  let open: Share[] | undefined
  let events = 0
  for (const share of shares) {
    const { length } = share.indexes
    if (!isLimited(share.topic) && open !== undefined && events + length <= MOST_AT_ONCE) {
      open.push(share)
      events += length
      continue
    }
    const call: [Share, ...Share[]] = [share]
    calls.push(call)
    if (isLimited(share.topic)) continue
    open = call
    events = length
  }
  return calls
}

/** Whether a topic has a cap. */
export function isLimited({ retention }: Topic): boolean {
  return retention.maxEvents !== undefined || retention.maxBytes !== undefined
}
