import { MillraceError, type FollowOptions } from '@millrace/core'
import { compilePattern } from '@millrace/core/contract'
import type { Context } from 'hono'
import { API_HEADERS } from '../reply.ts'
import { readQuery, type Query } from '../request/query.ts'
import { looksLikeTime, timeOf } from '../request/time.ts'
import type { Env, Route, Services } from '../services.ts'
import { runFeed, stoppingText } from '../stream/feed.ts'
import { createOutlet } from '../stream/outlet.ts'

const STREAM_HEADERS: Readonly<Record<string, string>> = {
  ...API_HEADERS,
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  // nginx would hold the stream back otherwise.
  'x-accel-buffering': 'no',
}

/** `GET /v1/stream`: events as they are stored, as server-sent events, resumable from the log. */
export function streamRoutes(services: Services): readonly Route[] {
  return [{ method: 'GET', path: '/v1/stream', handle: (context) => openStream(context, services) }]
}

async function openStream(context: Context<Env>, services: Services): Promise<Response> {
  const { settings, streams } = services
  const { millrace, runtime, limits, timeouts } = settings
  const request = context.req.raw
  const query = readQuery(request.url, ['topics', 'types', 'channel', 'from'])
  const followOptions: FollowOptions = {
    ...filterOf(query),
    from: startOf(request.headers.get('last-event-id'), query.one('from')),
  }
  if (request.method === 'HEAD') return new Response(null, { headers: STREAM_HEADERS })

  const outlet = createOutlet({ runtime, lingerMs: timeouts.slowClientMs, cut: () => context.env?.outgoing?.destroy() })
  const leave = streams.enter(() => outlet.end(stoppingText(), { keepWaiting: true }))
  if (leave === undefined) {
    throw new MillraceError(
      'overloaded',
      `The server has ${limits.streams} streams open, or is stopping. Try again later.`,
      {
        retriable: true,
        facts: { streams: limits.streams, retryAfterMs: 5_000 },
      },
    )
  }
  outlet.gone.addEventListener('abort', leave, { once: true })
  try {
    const following = millrace.follow({ ...followOptions, signal: outlet.gone })[Symbol.asyncIterator]()
    // Where the stream begins is known before the answer, so that a bad cursor is a status and not a broken stream.
    const first = await following.next()
    if (first.done === true) throw new MillraceError('closed', 'The backbone is stopping.')
    void runFeed(first.value, following, outlet, { runtime, limits, timeouts }).finally(leave)
  } catch (error) {
    leave()
    throw error
  }
  return new Response(outlet.body, { headers: STREAM_HEADERS })
}

function filterOf(query: Query): Pick<FollowOptions, 'topics' | 'types'> {
  const topics = [...(query.many('topics') ?? [])]
  const types = [...(query.many('types') ?? [])]
  for (const channel of query.many('channel') ?? []) {
    const [kind, ...rest] = channel.split(':')
    const name = rest.join(':')
    if (name !== '' && kind === 'topic') topics.push(name)
    else if (name !== '' && kind === 'type') types.push(name)
    else {
      throw new MillraceError('request_invalid', 'A channel is topic:<name> or type:<pattern>, such as type:order.*.', {
        path: 'channel',
      })
    }
  }
  // A pattern that is none would only be found out by the first event.
  for (const type of types) if (type.includes('*')) compilePattern(type)
  return { ...(topics.length === 0 ? {} : { topics }), ...(types.length === 0 ? {} : { types }) }
}

/** The header of a client that comes back wins over what it asked for at first. */
function startOf(lastEventId: string | null, from: string | undefined): NonNullable<FollowOptions['from']> {
  const start = lastEventId === null || lastEventId === '' ? from : lastEventId
  if (start === undefined || start === 'latest') return 'latest'
  if (start === 'earliest') return 'earliest'
  return start === from && looksLikeTime(start) ? timeOf(start, 'from') : { cursor: start }
}
