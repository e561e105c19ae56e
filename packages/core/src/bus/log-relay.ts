import { decodeEvent } from '../contract/cloud-events.ts'
import { isMillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Execute } from './execution.ts'
import { createPublisher } from './publisher.ts'
import type { RelayTarget } from './relay-batch.ts'
import type { Subscription } from './subscription.ts'
import type { Subscriptions } from './subscriptions.ts'

/** The group by which the log is forwarded: its lag and its dead letters are those of any group. */
export const LOG_RELAY_GROUP = 'millrace:relay'

export interface LogRelayOptions {
  readonly name: string
  /** Subscriptions of the log. */
  readonly subscriptions: Subscriptions
  readonly target: RelayTarget
  readonly runtime: Runtime
  /** Milliseconds for one sending, resends included, before it counts as a failed attempt. */
  readonly timeoutMs: number
}

const CONCURRENCY = 500
const FOREVER = 1_000_000

/**
 * Feeds a transport from the log of record: a subscription to everything that publishes the stored bytes, in order by key. What the
 * transport refuses for good becomes a dead letter of the group; everything else is tried again for as long as it takes.
 */
export function startLogRelay(options: LogRelayOptions): Promise<Subscription> {
  const { name, subscriptions, target, runtime, timeoutMs } = options
  const { transport, topics } = target
  const publisher = createPublisher({ name, transport, runtime, timeoutMs, maxPending: CONCURRENCY * 2 })

  const execute: Execute = (item, onEnd) => {
    const { record, run } = item
    void target
      .ready()
      .then(() => topics.ensure(record.topic))
      .then(
        (topic) => {
          const { position: _position, recordedAt: _recordedAt, ...event } = record
          const { source, correlationId } = indexedOf(record.body, record.id)
          // Sent twice it must meet itself: without a key the partition follows from the id.
          const partition = topic.partition(record.key ?? record.id, record.id)
          publisher.submit({ ...event, source, correlationId, partition }, (settlement) => {
            const failed = settlement.outcome !== 'stored'
            onEnd(item, run, failed ? { ok: false, error: settlement.error } : { ok: true, result: undefined })
          })
        },
        (error: unknown) => onEnd(item, run, { ok: false, error }),
      )
  }

  return subscriptions.subscribe(
    '**',
    () => {},
    {
      group: LOG_RELAY_GROUP,
      from: 'earliest',
      concurrency: CONCURRENCY,
      timeout: 0,
      retry: { attempts: FOREVER, backoff: { first: 100, ceiling: 5_000 }, retryIf: mayPass },
    },
    execute,
  )
}

/** What the engine indexes by, from the stored bytes. */
function indexedOf(body: string, id: string): { readonly source: string; readonly correlationId: string | undefined } {
  const { source, metadata } = decodeEvent(body, { trusted: true })
  return { source, correlationId: metadata.correlationId === id ? undefined : metadata.correlationId }
}

/** Everything but what the same bytes will meet again. */
function mayPass(error: unknown): boolean {
  return !isMillraceError(error) || error.retriable || error.code.startsWith('engine_') || error.code === 'closed'
}
