import { createMillrace } from '@millrace/core'
import { createServer } from '@millrace/server'
import { sqlite } from '@millrace/sqlite'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { orderOf } from '../payload.ts'
import { percentile, type Measured, type Work } from '../work.ts'

const BATCH = 10

/** The HTTP server on a SQLite file in this thread; keep-alive clients and one SSE client in another. */
export async function run(
  work: Work,
): Promise<Omit<Measured, 'engine' | 'engineVersion' | 'durability'> & Partial<Measured>> {
  const millrace = createMillrace({ name: 'bench', engine: sqlite(join(work.folder, 'bench.db')) })
  await millrace.start()
  const server = createServer({ millrace, port: 0 })
  const { url } = await server.listen()
  const clients = new Worker(new URL('./ingest-clients.ts', import.meta.url), { workerData: { url, ...work } })
  const [result] = (await once(clients, 'message')) as [{ readonly value: number; readonly p99: number }]
  await clients.terminate()
  const { engine, engineVersion, durability } = millrace.capabilities
  await server.close({ timeoutMs: 1_000 })
  await millrace.close()
  return { ...result, engine, engineVersion, durability }
}

/** Posts `count` events in batches of ten over `inFlight` keep-alive connections while an SSE client listens. */
export async function load({
  url,
  count,
  inFlight,
}: Work & { readonly url: string }): Promise<{ readonly value: number; readonly p99: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight })
  const sent = new Map<string, number>()
  const delays: number[] = []
  await post(agent, url, [eventOf('first')])
  const listening = listen(`${url}/v1/stream?topics=order`, (id) => {
    const at = sent.get(id)
    if (at !== undefined) delays.push(performance.now() - at)
  })
  await listening.ready
  const started = performance.now()
  let next = 0
  const client = async (): Promise<void> => {
    while (next < count) {
      const from = next
      next += BATCH
      const events = Array.from({ length: BATCH }, (_, at) => eventOf(`e${from + at}`, from + at))
      for (const { id } of events) sent.set(id, performance.now())
      await post(agent, url, events)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, client))
  const value = (count / (performance.now() - started)) * 1_000
  listening.stop()
  agent.destroy()
  return { value, p99: percentile(delays, 0.99) }
}

function eventOf(id: string, n = 0): { readonly id: string } & Readonly<Record<string, unknown>> {
  return {
    specversion: '1.0',
    id,
    source: '/bench',
    type: 'order.placed',
    partitionkey: `order-${n % 1_000}`,
    data: orderOf(n),
  }
}

function post(agent: Agent, url: string, events: readonly unknown[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify(events)
    const headers = { 'content-type': 'application/cloudevents-batch+json', 'content-length': Buffer.byteLength(body) }
    const call = request(`${url}/v1/events`, { method: 'POST', agent, headers }, (response) => {
      response.resume()
      response.on('end', () =>
        response.statusCode === 202
          ? resolve()
          : reject(new Error(`The server answered ${String(response.statusCode)}.`)),
      )
    })
    call.on('error', reject)
    call.end(body)
  })
}

function listen(url: string, onEvent: (id: string) => void): { readonly ready: Promise<void>; stop(): void } {
  let begin: () => void = () => {}
  const ready = new Promise<void>((resolve) => (begin = resolve))
  let rest = ''
  const call = request(url, { headers: { accept: 'text/event-stream' } }, (response) => {
    response.setEncoding('utf8').on('data', (text: string) => {
      begin()
      rest += text
      const end = rest.lastIndexOf('\n\n')
      if (end === -1) return
      for (const match of rest.slice(0, end).matchAll(/"id":"(e\d+)"/g)) onEvent(match[1] ?? '')
      rest = rest.slice(end)
    })
    response.on('error', () => {})
  })
  call.on('error', () => {})
  call.end()
  return { ready, stop: () => call.destroy() }
}
