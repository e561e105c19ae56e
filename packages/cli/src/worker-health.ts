import { createServer as createHttpServer, type Server as HttpServer, type ServerResponse } from 'node:http'
import { MillraceError } from '@millrace/core'
import type { Server } from '@millrace/server'

const PATHS = new Set(['/healthz', '/readyz', '/metrics'])

/** A listening socket with its address. */
export interface HealthListener {
  readonly url: string
  [Symbol.asyncDispose](): Promise<void>
}

/** Serves only what orchestrators and Prometheus ask of a worker; `more` gives metrics beside its own. Throws `config_invalid` when the port is taken. */
export async function listenForHealth(
  server: Server,
  { port, host, more }: { readonly port: number; readonly host: string; readonly more?: () => string },
): Promise<HealthListener> {
  const http = createHttpServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    if (request.method === 'GET' && PATHS.has(path)) void answer(server, path, { response, more })
    else response.writeHead(404).end()
  })
  await listening(http, port, host)
  const address = http.address()
  const actual = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        http.close(() => resolve())
        http.closeAllConnections()
      }),
  }
}

async function answer(
  server: Server,
  path: string,
  { response, more }: { readonly response: ServerResponse; readonly more: (() => string) | undefined },
): Promise<void> {
  try {
    const given = await server.fetch(new Request(`http://127.0.0.1${path}`))
    const text = `${await given.text()}${path === '/metrics' && given.ok ? (more?.() ?? '') : ''}`
    response.writeHead(given.status, Object.fromEntries(given.headers)).end(text)
  } catch {
    response.writeHead(500).end()
  }
}

function listening(http: HttpServer, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'another program listens there' : String(error.code)
      reject(
        new MillraceError(
          'config_invalid',
          `The worker cannot listen on ${host}:${port}: ${why}. Choose another --port.`,
        ),
      )
    })
    http.listen(port, host, resolve)
  })
}
