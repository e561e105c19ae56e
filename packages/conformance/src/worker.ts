import assert from 'node:assert/strict'
import type {
  Consumer,
  Driver,
  PartitionProgress,
  Position,
  PositionRange,
  Progress,
  StoredRecord,
} from '@millrace/core/driver'
import { patienceMs } from './eventually.ts'
import { publishAll, record } from './records.ts'

/** A partition that a member holds. */
export interface Lease {
  readonly partition: number
  readonly token: number
  readonly progress: Progress
  readonly clean: boolean
}

/** The progress of a group that has settled nothing. */
export const NO_PROGRESS: Progress = {
  settled: undefined,
  ahead: [],
  fetchedHigh: undefined,
  aheadCount: 0,
  attempts: [],
}

/** Adds a member that counts up every 50 ms. */
export async function joinGroup(driver: Driver, group: string, member: string): Promise<Int32Array> {
  const alive = new Int32Array(new SharedArrayBuffer(4))
  await driver.stores.leases.join(
    { member, group, label: `conformance ${member}`, filterEpoch: 0 },
    { everyMs: 50, aliveWithinMs: 60_000, alive },
  )
  return alive
}

/** Takes all partitions of a topic for a member, whoever has them. */
export async function takeOver(driver: Driver, group: string, topic: string, member: string): Promise<Lease[]> {
  const { partitions } = await driver.stores.leases.observe(group)
  const leases: Lease[] = []
  for (const { partition, owner, token } of partitions.filter((each) => each.topic === topic)) {
    const won = await driver.stores.leases.claim({
      group,
      topic,
      partition,
      member,
      expectedOwner: owner,
      expectedToken: token,
    })
    assert.ok(won, `${member} takes partition ${partition} of ${topic}, which nobody else claims`)
    leases.push({ partition, ...won })
  }
  return leases.toSorted((a, b) => a.partition - b.partition)
}

/** A consumer of leases that reads on where their progress ends. */
export function consumeLeases(driver: Driver, group: string, topic: string, leases: readonly Lease[]): Consumer {
  return driver.transport.consume({
    topic,
    group,
    partitions: leases.map(({ partition, token, progress }) => ({ partition, token, after: progress.settled })),
  })
}

/** Fetches until `count` events have come. */
export async function fetchCount(consumer: Consumer, count: number, max = 500): Promise<StoredRecord[]> {
  const records: StoredRecord[] = []
  while (records.length < count) {
    const chunk = await consumer.fetch({ max, signal: AbortSignal.timeout(patienceMs()) })
    assert.ok(chunk.length > 0, `${count} events are expected, but after ${records.length} no more came`)
    records.push(...chunk)
  }
  assert.equal(records.length, count, 'no more events than expected')
  return records
}

/**
 * Everything that a consumer still has to give. Publishes a last event into each partition and fetches until all of
 * these have come, so that nothing has to be timed; they are not part of the result.
 */
export async function drain(
  driver: Driver,
  consumer: Consumer,
  topic: string,
  partitions: readonly number[],
): Promise<StoredRecord[]> {
  const last = await publishAll(
    driver,
    partitions.map((partition) => record({ topic, partition, type: 'test.last' })),
  )
  const missing = new Set(last.map(({ id }) => id))
  const records: StoredRecord[] = []
  while (missing.size > 0) {
    const chunk = await consumer.fetch({ max: 500, signal: AbortSignal.timeout(patienceMs()) })
    assert.ok(chunk.length > 0, 'the last event of each partition is fetched')
    for (const each of chunk) if (!missing.delete(each.id)) records.push(each)
  }
  return records.filter(({ type }) => type !== 'test.last')
}

/** Progress that settles everything of a partition up to a position. */
export function settledUpTo(lease: Lease, position: Position, newlySettled: number): PartitionProgress {
  return {
    ...NO_PROGRESS,
    partition: lease.partition,
    token: lease.token,
    settled: position,
    fetchedHigh: position,
    newlySettled,
  }
}

/** A small tracker: turns a set of settled positions of one partition, in log order, into progress. */
export function progressOf(log: readonly Position[], settled: ReadonlySet<Position>, fetched: number): Progress {
  let prefix = 0
  while (prefix < log.length && settled.has(log[prefix] ?? '')) prefix += 1
  const ahead: PositionRange[] = []
  let aheadCount = 0
  for (let at = prefix; at < log.length; at += 1) {
    if (!settled.has(log[at] ?? '')) continue
    const from = at
    while (at + 1 < log.length && settled.has(log[at + 1] ?? '')) at += 1
    ahead.push([log[from] ?? '', log[at] ?? ''])
    aheadCount += at - from + 1
  }
  return { settled: log[prefix - 1], ahead, fetchedHigh: log[fetched - 1], aheadCount, attempts: [] }
}

/** Whether a position is settled by this progress. */
export function isSettledBy({ settled, ahead }: Progress, position: Position): boolean {
  if (settled !== undefined && position <= settled) return true
  return ahead.some(([from, to]) => from <= position && position <= to)
}

/** Asserts that within each partition positions only rise. */
export function assertRising(records: readonly StoredRecord[]): void {
  const last = new Map<number, Position>()
  for (const { partition, position } of records) {
    const before = last.get(partition)
    assert.ok(
      before === undefined || position > before,
      `positions rise within partition ${partition}: ${position} came after ${before}`,
    )
    last.set(partition, position)
  }
}
