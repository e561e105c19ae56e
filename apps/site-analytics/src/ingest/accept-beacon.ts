import type { EventMessage, Millrace } from '@millrace/core'
import { readBeaconItem, WEB_SOURCE, type BeaconContext } from './beacon-item.ts'
import { readBody } from './read-body.ts'
import { rejectedEvent } from './rejected.ts'

/** Bounds of one beacon: a browser's own bound for `sendBeacon` is 64 KiB. */
export const BEACON_LIMITS = { bodyBytes: 64 * 1024, items: 100, underWay: 512 } as const

/** What became of one item. */
export interface ItemResult {
  readonly id: string
  readonly outcome: 'stored' | 'rejected' | 'ignored' | 'unknown'
  readonly reason?: string
}

/**
 * Takes beacons in: what is usable is stored as events, what is not is stored as `analytics.rejected`, and nothing is
 * answered with 202 before the engine has all of it.
 */
export function createBeaconIntake(
  millrace: Millrace,
): (request: Request, context: Omit<BeaconContext, 'sentAt'>) => Promise<Response> {
  let underWay = 0
  return async (request, context) => {
    if (underWay >= BEACON_LIMITS.underWay) return busy()
    underWay += 1
    try {
      return await accept(millrace, request, context)
    } finally {
      underWay -= 1
    }
  }
}

async function accept(millrace: Millrace, request: Request, context: Omit<BeaconContext, 'sentAt'>): Promise<Response> {
  const body = await readBody(request, BEACON_LIMITS.bodyBytes)
  const refuseWhole = async (status: number, reason: string): Promise<Response> => {
    const [stored] = await millrace.publishBatch([rejected(body.text, body.tooLarge, reason, context)])
    return stored?.outcome === 'stored' ? problem(status, reason) : busy()
  }
  if (body.tooLarge) return refuseWhole(413, 'The body is larger than 64 KiB')
  if (!body.utf8) return refuseWhole(400, 'The body is not UTF-8')
  const parsed = parse(body.text)
  if (parsed === undefined) return refuseWhole(400, 'The body is not JSON')
  const { items, sentAt } = itemsOf(parsed.value)
  if (items.length === 0) return refuseWhole(400, 'The body has no events')
  if (items.length > BEACON_LIMITS.items)
    return refuseWhole(413, `The body has more than ${BEACON_LIMITS.items} events`)
  return storeItems(millrace, items, { ...context, sentAt })
}

async function storeItems(millrace: Millrace, items: readonly unknown[], context: BeaconContext): Promise<Response> {
  const events: EventMessage[] = []
  const results: (ItemResult | { readonly event: number; readonly reason?: string })[] = []
  for (const item of items) {
    const outcome = readBeaconItem(item, context)
    if ('ignored' in outcome) {
      results.push({ id: '', outcome: 'ignored' })
      continue
    }
    const bad = 'reason' in outcome
    results.push({ event: events.length, ...(bad ? { reason: outcome.reason } : {}) })
    events.push(bad ? rejected(JSON.stringify(item), false, outcome.reason, context) : outcome.event)
  }
  const stored = events.length === 0 ? [] : await millrace.publishBatch(events)
  let again = false
  const answer = results.map((result): ItemResult => {
    if (!('event' in result)) return result
    const publish = stored[result.event]
    const id = publish?.id ?? ''
    if (publish?.outcome !== 'stored') {
      // An id that is taken by other content stays so; anything else may be stored when it is sent again.
      const lasting = publish?.outcome === 'rejected' && !publish.error.retriable
      again ||= !lasting
      return { id, outcome: lasting ? 'rejected' : 'unknown', reason: publish?.error.code ?? 'internal' }
    }
    if (result.reason !== undefined) return { id, outcome: 'rejected', reason: result.reason }
    return { id, outcome: 'stored' }
  })
  if (again) return busy(answer)
  const count = (outcome: ItemResult['outcome']): number => answer.filter((result) => result.outcome === outcome).length
  const refused = count('rejected')
  return json(refused === answer.length ? 400 : 202, { stored: count('stored'), refused, results: answer })
}

function rejected(
  raw: string,
  cut: boolean,
  reason: string,
  { origin, visitor }: Pick<BeaconContext, 'origin' | 'visitor'>,
): EventMessage {
  return rejectedEvent({ from: 'beacon', origin, visitor, reason, raw, cut }, { source: WEB_SOURCE })
}

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

/** One event, a list of them, or `{ now, events }` with the sender's clock. */
function itemsOf(value: unknown): { readonly items: readonly unknown[]; readonly sentAt: number | undefined } {
  if (Array.isArray(value)) return { items: value, sentAt: undefined }
  if (typeof value !== 'object' || value === null) return { items: [value], sentAt: undefined }
  const sentAt = 'now' in value && typeof value.now === 'number' && Number.isFinite(value.now) ? value.now : undefined
  if ('events' in value && Array.isArray(value.events)) return { items: value.events, sentAt }
  return { items: [value], sentAt }
}

function busy(results?: readonly ItemResult[]): Response {
  const body = {
    type: 'about:blank',
    title: 'The events are not stored',
    status: 503,
    detail: 'The events are not known to be stored. Send them again with the same ids.',
    ...(results === undefined ? {} : { results }),
  }
  return json(503, body, { 'content-type': 'application/problem+json', 'retry-after': '5' })
}

function problem(status: number, detail: string): Response {
  const body = { type: 'about:blank', title: 'The beacon is not usable', status, detail }
  return json(status, body, { 'content-type': 'application/problem+json' })
}

function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
  })
}
