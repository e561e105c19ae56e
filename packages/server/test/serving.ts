import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { createMillrace, type Millrace, type MillraceOptions } from '@millrace/core'
import { memory } from '@millrace/core/memory'
import { createServer, type ServerOptions } from '../src/index.ts'

/** A backbone with its server on a free port. */
export interface Serving {
  readonly millrace: Millrace
  readonly server: ReturnType<typeof createServer>
  readonly url: string
  [Symbol.asyncDispose](): Promise<void>
}

/** A real server over a real engine (memory unless told). */
export async function serving({
  server: serverOptions = {},
  ...options
}: Partial<MillraceOptions> & { server?: Partial<ServerOptions> } = {}): Promise<Serving> {
  const millrace = createMillrace({
    ...(options.transport === undefined ? { engine: memory() } : {}),
    name: 'shop',
    ...options,
  })
  const server = createServer({ millrace, port: 0, ...serverOptions })
  const { url } = await server.listen()
  return {
    millrace,
    server,
    url,
    async [Symbol.asyncDispose]() {
      await server.close({ timeoutMs: 500 })
      await millrace.close({ timeoutMs: 500 })
    },
  }
}

/** A CloudEvent as another language would write it. */
export function cloudEvent(id: string, more: object = {}): Record<string, unknown> {
  return { specversion: '1.0', id, source: '/other', type: 'order.placed', data: { orderId: id }, ...more }
}

export const STRUCTURED = 'application/cloudevents+json'
export const BATCH = 'application/cloudevents-batch+json'

// oxlint-disable-next-line typescript/no-explicit-any -- a test looks at the members that it expects, whatever else is there
export type Answer = any

/** Posts to `/v1/events` and gives status and parsed answer. */
export async function post(
  url: string,
  body: unknown,
  headers: Record<string, string> = { 'content-type': Array.isArray(body) ? BATCH : STRUCTURED },
): Promise<{ status: number; answer: Answer; headers: Headers }> {
  const raw = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
  const response = await fetch(`${url}/v1/events`, {
    method: 'POST',
    headers,
    body: raw as string | Uint8Array<ArrayBuffer>,
  })
  return { status: response.status, answer: await response.json(), headers: response.headers }
}

/** Sends a JSON command. */
export async function command(
  url: string,
  path: string,
  body?: unknown,
  method = 'POST',
): Promise<{ status: number; answer: Answer }> {
  const response = await fetch(url + path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  return { status: response.status, answer: await response.json() }
}

/** Writes to a bare socket and gives everything that comes back until the server closes it. */
export function rawExchange(
  url: string,
  text: string | Buffer,
  { end = false }: { end?: boolean } = {},
): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    let received = ''
    const socket = connect(Number(port), hostname, () => (end ? socket.end(text) : socket.write(text)))
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => (received += chunk))
    socket.on('close', () => resolve(received))
    socket.on('error', (error) => (received === '' ? reject(error) : resolve(received)))
  })
}

/** Resolves when the condition holds; the time is generous and never part of a result. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`The condition did not hold within ${withinMs} ms: ${condition.toString()}`)
    await pause(5)
  }
}
