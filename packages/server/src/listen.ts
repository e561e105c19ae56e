import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { MillraceError } from '@millrace/core'
import type { Settings } from './options.ts'
import { problemOf, problemResponse } from './problem.ts'

/** A listening socket with all its limits and timeouts. */
export interface Listener {
  readonly url: string
  /** Takes no more connections, lets running requests end for at most `timeoutMs`, then cuts the rest. */
  close(timeoutMs: number): Promise<void>
}

type Fetch = (
  request: Request,
  env: { incoming: IncomingMessage; outgoing: ServerResponse },
) => Response | Promise<Response>

const CLOSING_LOOK_MS = 20

/** Listens. Throws `config_invalid` when the address cannot be bound. */
export async function listen(fetch: Fetch, settings: Settings): Promise<Listener> {
  const { limits, timeouts, runtime } = settings
  const server = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: timeouts.headersMs,
    requestTimeout: timeouts.requestMs,
    keepAliveTimeout: timeouts.keepAliveMs,
    // How often the two timeouts above are looked at.
    connectionsCheckingInterval: Math.max(100, Math.min(timeouts.headersMs, timeouts.requestMs, 10_000) / 2),
  })
  server.maxConnections = limits.connections
  const handle = getRequestListener(
    // Bindings are Node's HTTP/1 objects: the server makes no others.
    (request, env) => fetch(request, env as { incoming: IncomingMessage; outgoing: ServerResponse }),
    {
      overrideGlobalObjects: false,
      errorHandler: () =>
        problemResponse(new MillraceError('request_invalid', 'The request line or the Host header is not usable.')),
    },
  )
  const take = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const refusal = refusalOfHead(incoming, settings)
    if (refusal === undefined) void handle(incoming, outgoing)
    else refuse(outgoing, refusal)
  }
  server.on('request', take)
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    if (Number(incoming.headers['content-length'] ?? 0) <= limits.bodyBytes) outgoing.writeContinue()
    take(incoming, outgoing)
  })
  server.on('clientError', answerBrokenRequest)
  await bind(server, settings)

  return {
    url: urlOf(server, settings.host),
    close(timeoutMs) {
      return new Promise((resolve) => {
        let look = runtime.setTimer(closeIdle, CLOSING_LOOK_MS)
        const cut = runtime.setTimer(() => server.closeAllConnections(), timeoutMs)
        // A connection that was busy when the closing began would stay open until its keep-alive ends.
        function closeIdle(): void {
          server.closeIdleConnections()
          look = runtime.setTimer(closeIdle, CLOSING_LOOK_MS)
        }
        server.close(() => {
          look.cancel()
          cut.cancel()
          resolve()
        })
      })
    },
  }
}

function bind(server: Server, { host, port }: Settings): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error & { code?: string }): void => {
      const reason = error.code === 'EADDRINUSE' ? 'something else listens there' : (error.code ?? 'it failed')
      reject(
        new MillraceError(
          'config_invalid',
          `The server cannot listen on ${host}:${port}: ${reason}. Choose another port.`,
          {
            cause: error,
            path: 'port',
          },
        ),
      )
    }
    server.once('error', fail)
    server.listen({ host, port }, () => {
      server.off('error', fail)
      resolve()
    })
  })
}

function refusalOfHead(incoming: IncomingMessage, { limits }: Settings): MillraceError | undefined {
  const { method, url = '' } = incoming
  if (incoming.rawHeaders.length > limits.headers * 2) {
    return new MillraceError('request_invalid', `The request has more than ${limits.headers} headers.`)
  }
  if (url.length > limits.urlCharacters) {
    return new MillraceError('request_invalid', `The URL is longer than ${limits.urlCharacters} characters.`)
  }
  if (!url.startsWith('/')) return new MillraceError('request_invalid', 'The request target must be a path.')
  if (method === 'TRACE' || method === 'CONNECT') {
    return new MillraceError('method_not_allowed', 'The method is never allowed here.')
  }
  return undefined
}

function refuse(outgoing: ServerResponse, error: MillraceError): void {
  const problem = problemOf(error)
  outgoing.writeHead(problem.status, {
    'content-type': 'application/problem+json',
    connection: 'close',
    ...(problem.status === 405 ? { allow: 'GET, HEAD, POST, DELETE, OPTIONS' } : {}),
  })
  outgoing.end(JSON.stringify(problem))
}

const BROKEN: Readonly<Record<string, readonly [status: string, error: MillraceError]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    new MillraceError('request_invalid', 'The head of the request is too large.'),
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    '408 Request Timeout',
    new MillraceError('request_timeout', 'The request did not arrive in time.'),
  ],
}

const MALFORMED = ['400 Bad Request', new MillraceError('request_invalid', 'The request is not HTTP/1.1.')] as const

/** What never became a request is answered on the bare socket, and the connection ends: its framing cannot be trusted. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const [status, refusal] = BROKEN[error.code ?? ''] ?? MALFORMED
  const body = JSON.stringify({ ...problemOf(refusal), status: Number(status.slice(0, 3)) })
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}

function urlOf(server: Server, host: string): string {
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
