import type { Context } from 'hono'
import type { Mount } from './options.ts'
import { incomingOf, type Env } from './services.ts'

/** Added to what a mounted application answers, where it has not decided otherwise. */
const DEFAULT_HEADERS: Readonly<Record<string, string>> = {
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

/** Hands requests under a path to the application mounted there, with that prefix taken off. */
export function mountHandler(mount: Mount): (context: Context<Env>) => Promise<Response> {
  return async (context) => {
    const request = context.req.raw
    const url = new URL(request.url)
    if (url.pathname === mount.path && (request.method === 'GET' || request.method === 'HEAD')) {
      // Relative links of the application only work below its path.
      return new Response(null, { status: 308, headers: { location: `${mount.path}/${url.search}` } })
    }
    url.pathname = url.pathname.slice(mount.path.length) || '/'
    const connection = { remoteAddress: incomingOf(context)?.socket.remoteAddress }
    return withDefaultHeaders(await mount.fetch(requestAt(url, request), connection))
  }
}

/** A request of the platform's own class: an application may do with it whatever the standard allows. */
function requestAt(url: URL, request: Request): Request {
  const hasBody = request.method !== 'GET' && request.method !== 'HEAD'
  const init: RequestInit & { duplex?: 'half' } = {
    method: request.method,
    headers: [...request.headers],
    signal: request.signal,
    redirect: 'manual',
    ...(hasBody ? { body: request.body, duplex: 'half' } : {}),
  }
  return new Request(url, init)
}

function withDefaultHeaders(response: Response): Response {
  const headers = new Headers(response.headers)
  for (const [name, value] of Object.entries(DEFAULT_HEADERS)) {
    if (!headers.has(name)) headers.set(name, value)
  }
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers })
}
