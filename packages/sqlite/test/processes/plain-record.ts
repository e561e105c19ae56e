import type { PublishRecord } from '@millrace/core/driver'

/** A record by number. */
export function record(n: number, changes: Partial<PublishRecord> = {}): PublishRecord {
  return {
    topic: 'order',
    partition: n % 4,
    id: `event-${n}`,
    source: '/test',
    type: 'order.placed',
    key: `key-${n % 7}`,
    correlationId: undefined,
    body: JSON.stringify({ n }),
    ...changes,
  }
}
