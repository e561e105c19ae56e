import {
  reject,
  type EventMessage,
  type EventOf,
  type HandlerResult,
  type Millrace,
  type Runtime,
  type Subscription,
} from '@millrace/core'
import { AnalyticsRejected } from '../events.ts'
import { deterministicId } from '../deterministic-id.ts'
import { readCombinedLine } from '../log/combined-line.ts'
import { logEvent } from '../log/log-event.ts'
import { readBeaconItem, type ItemOutcome } from './beacon-item.ts'

export const REJECTED_GROUP = 'site-analytics.rejected'

const SOURCE = '/site-analytics/repaired'

/**
 * Refuses what could not be used, so that it waits among the dead letters, where people see it, group it by reason and
 * edit it. An input that was repaired there is taken in on requeue.
 */
export function subscribeRejected(millrace: Millrace, runtime: Runtime): Promise<Subscription> {
  return millrace.subscribe(
    AnalyticsRejected,
    async (event): Promise<HandlerResult> => {
      const outcome = readAgain(event, runtime.now())
      if ('ignored' in outcome) return undefined
      // Of what nobody has touched, the first reason says more than what a second look says.
      const isEdited = event.metadata.extensions?.['editedfrom'] !== undefined
      if ('reason' in outcome) return reject(isEdited ? outcome.reason : event.data.reason)
      await millrace.publish(outcome.event)
      return undefined
    },
    { group: REJECTED_GROUP, from: 'earliest', retry: { attempts: 5 } },
  )
}

function readAgain({ id, data, timestamp, metadata }: EventOf<typeof AnalyticsRejected>, now: number): ItemOutcome {
  if (data.truncated) return { reason: data.reason }
  const outcome =
    data.from === 'log' ? readLine(data.raw, data.visitor, now, id) : readItem(data, Date.parse(timestamp))
  if (!('event' in outcome)) return outcome
  const { correlationId } = metadata
  // The same repair always has the same id: handling it twice stores it once.
  const event: EventMessage = {
    ...outcome.event,
    id: deterministicId(Date.parse(outcome.event.timestamp), 'repaired', id),
    source: SOURCE,
    metadata: { ...outcome.event.metadata, correlationId, causationId: id },
  }
  return { event }
}

function readItem(
  { raw, reason, visitor, origin }: EventOf<typeof AnalyticsRejected>['data'],
  receivedAt: number,
): ItemOutcome {
  let item: unknown
  try {
    item = JSON.parse(raw)
  } catch {
    return { reason }
  }
  if (visitor === undefined) return { reason }
  // Judged at the time when it came, as it would have been then.
  return readBeaconItem(item, { visitor, origin, crawler: undefined, host: '', now: receivedAt, sentAt: undefined })
}

function readLine(raw: string, visitor: string | undefined, now: number, id: string): ItemOutcome {
  const request = readCombinedLine(raw, now)
  if ('reason' in request) return request
  // The address was not legible when the line came, so its visitor is known to nobody else.
  const someone = visitor ?? deterministicId(0, id).replaceAll('-', '').slice(-24)
  return { event: logEvent(request, { id, visitor: someone, site: undefined }) }
}
