import { MillraceError, type ReadOptions, type StoredEvent } from '@millrace/core'
import type { Context } from 'hono'
import { problemResponse } from '../problem.ts'
import { jsonText } from '../reply.ts'
import { readQuery, type Query } from '../request/query.ts'
import { looksLikeTime, timeOf } from '../request/time.ts'
import type { Env, Route, Services } from '../services.ts'
import { storedEventText } from '../stored-event.ts'

const PARAMETERS = ['topic', 'type', 'key', 'correlation', 'after', 'until', 'limit', 'backwards']

/** `GET /v1/events`, one event by its id, and one flow. */
export function browseRoutes({ settings: { millrace } }: Services): readonly Route[] {
  async function browse(context: Context<Env>): Promise<Response> {
    const query = readQuery(context.req.raw.url, PARAMETERS)
    const limit = query.integer('limit', { min: 1, max: 1_000 }) ?? 100
    const correlation = query.one('correlation')
    if (correlation !== undefined) {
      return eventsResponse(ofFlow(await millrace.trace(correlation), query).slice(0, limit), undefined)
    }
    const { events, next } = await millrace.read({ ...optionsOf(query), limit })
    return eventsResponse(events, next)
  }

  return [
    { method: 'GET', path: '/v1/events', handle: browse },
    {
      method: 'GET',
      path: '/v1/events/:id',
      async handle(context) {
        const source = readQuery(context.req.raw.url, ['source']).one('source')
        const found = await millrace.find(context.req.param('id') ?? '', source)
        const [event, another] = found
        if (event === undefined) throw new MillraceError('not_found', 'There is no event of this id.', { path: 'id' })
        if (another === undefined) return jsonText(storedEventText(event))
        const sources = found.map((candidate) => candidate.source)
        const ambiguous = new MillraceError(
          'request_invalid',
          'Several sources have an event of this id: say which by ?source=.',
          { path: 'source' },
        )
        return problemResponse(ambiguous, { extra: { sources } })
      },
    },
    {
      method: 'GET',
      path: '/v1/traces/:correlationId',
      async handle(context) {
        readQuery(context.req.raw.url, [])
        const events = await millrace.trace(context.req.param('correlationId') ?? '')
        if (events.length === 0)
          throw new MillraceError('not_found', 'No event carries this correlation id.', { path: 'correlationId' })
        return eventsResponse(events, undefined)
      },
    },
  ]
}

function optionsOf(query: Query): ReadOptions {
  const topics = query.many('topic')
  const types = query.many('type')
  const key = query.one('key')
  const after = query.one('after')
  const until = query.time('until')
  return {
    ...(topics === undefined ? {} : { topics }),
    ...(types === undefined ? {} : { types }),
    ...(key === undefined ? {} : { key }),
    ...(after === undefined ? {} : { after: looksLikeTime(after) ? timeOf(after, 'after') : after }),
    ...(until === undefined ? {} : { until }),
    backwards: query.flag('backwards'),
  }
}

/** A flow is small and known as a whole, so its other filters are applied here. */
function ofFlow(events: readonly StoredEvent[], query: Query): readonly StoredEvent[] {
  const topics = query.many('topic')
  const types = query.many('type')
  const key = query.one('key')
  const after = query.time('after')?.getTime() ?? Number.NEGATIVE_INFINITY
  const until = query.time('until')?.getTime() ?? Number.POSITIVE_INFINITY
  const matching = events.filter((event) => {
    const at = Date.parse(event.recordedAt)
    return (
      (topics?.includes(event.topic) ?? true) &&
      (types?.includes(event.type) ?? true) &&
      (key === undefined || event.key === key) &&
      at >= after &&
      at < until
    )
  })
  return query.flag('backwards') ? matching.toReversed() : matching
}

function eventsResponse(events: readonly StoredEvent[], next: string | undefined): Response {
  const rest = next === undefined ? '' : `,"next":${JSON.stringify(next)}`
  return jsonText(`{"events":[${events.map((event) => storedEventText(event)).join(',')}]${rest}}`)
}
