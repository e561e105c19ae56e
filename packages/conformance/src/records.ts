import assert from 'node:assert/strict'
import { partitionOf, type Driver, type PublishRecord, type StoredRecord } from '@millrace/core/driver'

let made = 0

/** What a test says about a record; the rest is made up. */
export interface RecordWish {
  readonly topic: string
  readonly partition?: number
  readonly partitions?: number
  readonly id?: string
  readonly source?: string
  readonly type?: string
  readonly key?: string
  readonly correlationId?: string
  readonly data?: unknown
  readonly body?: string
}

/** A record with a structured CloudEvent in its body. With `partitions` and a key it is placed as the core would. */
export function record(wish: RecordWish): PublishRecord {
  made += 1
  const { topic, id = `event-${made}`, source = '/conformance', type = 'test.happened', key, correlationId } = wish
  const placed = key === undefined || wish.partitions === undefined ? 0 : partitionOf(key, wish.partitions)
  const event = { specversion: '1.0', id, source, type, partitionkey: key, correlationid: correlationId ?? id }
  return {
    topic,
    partition: wish.partition ?? placed,
    id,
    source,
    type,
    key,
    correlationId,
    body: wish.body ?? JSON.stringify({ ...event, data: wish.data ?? { number: made } }),
  }
}

/** Publishes and insists that all are stored; returns them as they must be read back. */
export async function publishAll(driver: Driver, records: readonly PublishRecord[]): Promise<StoredPlace[]> {
  const outcomes = await driver.transport.publish(records)
  assert.equal(outcomes.length, records.length, 'one outcome for each record')
  return records.map(({ source: _source, correlationId: _correlation, ...rest }, index) => {
    const outcome = outcomes[index]
    assert.equal(outcome?.outcome, 'stored', `record ${index} is stored`)
    assert.ok(outcome?.outcome === 'stored')
    assert.equal(outcome.partition, rest.partition, 'stored in the partition asked for')
    return { ...rest, position: outcome.position }
  })
}

/** A stored record without the time of its recording. */
export type StoredPlace = Omit<StoredRecord, 'recordedAt'>

/** Strips what a test cannot foretell. */
export function withoutTime(records: readonly StoredRecord[]): StoredPlace[] {
  return records.map(({ topic, partition, position, id, type, key, body }) => ({
    topic,
    partition,
    position,
    id,
    type,
    key,
    body,
  }))
}

/** All events that a topic holds, page by page. */
export async function readAll(driver: Driver, topic: string, pageSize = 1_000): Promise<StoredRecord[]> {
  const all: StoredRecord[] = []
  const after = new Map<number, string>()
  for (;;) {
    const page = await driver.transport.read({
      topic,
      limit: pageSize,
      after: [...after].map(([partition, position]) => ({ partition, position })),
    })
    for (const each of page) after.set(each.partition, each.position)
    all.push(...page)
    if (page.length < pageSize) return all
  }
}
