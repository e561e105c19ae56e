import type { Driver, Progress } from '@millrace/core/driver'
import { publishAll, record, type StoredPlace } from './records.ts'

/** The group and the topic of the properties of fetching and settling. */
export const GROUP: string = 'hands'
export const TOPIC: string = 'work'

/** A topic with events, dealt out to its partitions in turn, and a group at its beginning. */
export async function prepare(driver: Driver, partitions: number, events: number): Promise<StoredPlace[]> {
  await driver.transport.ensureTopic(TOPIC, { partitions })
  await driver.transport.ensureGroup(GROUP, [TOPIC], 'earliest')
  return publishAll(
    driver,
    Array.from({ length: events }, (_, at) => record({ topic: TOPIC, partition: at % partitions })),
  )
}

/** The position of one of the places; empty when there is none. */
export function positionOf(places: readonly StoredPlace[], index: number): string {
  return places[index]?.position ?? ''
}

/** The ids by partition, in the order given within each. */
export function ids(records: readonly { readonly id: string; readonly partition: number }[]): string[] {
  return records.toSorted((a, b) => a.partition - b.partition).map(({ id }) => id)
}

/** Absent and undefined marks are the same. */
export function withoutEmpty(progress: Progress | undefined): Progress | undefined {
  if (progress === undefined || progress.starting !== undefined) return progress
  const { starting: _, ...rest } = progress
  return rest
}
