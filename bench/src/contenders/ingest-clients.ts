import { request } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'
import { orderOf } from '../order.ts'
import { percentile, type Work } from '../work.ts'
import { openConnection } from './http-connection.ts'

const BATCH = 10
/** How the id of an event begins in its JSON. */
const MARK = '"id":"e'
/** How a frame ends. */
const END = '\n\n'

// The thread of the clients of the `ingest` scenario.
parentPort?.postMessage(await load(workerData as Work & { readonly url: string }))

/** Posts `count` events in batches of ten over `inFlight` keep-alive connections while an SSE client listens. */
async function load({
  url,
  count,
  inFlight,
}: Work & { readonly url: string }): Promise<{ readonly value: number; readonly p99: number }> {
  const address = new URL(url)
  const batches = Array.from({ length: Math.ceil(count / BATCH) }, (_, batch) =>
    requestOf(
      address,
      Array.from({ length: BATCH }, (__, at) => eventOf(batch * BATCH + at)),
    ),
  )
  const sentAt = new Float64Array(batches.length)
  const delays: number[] = []
  const connections = await Promise.all(Array.from({ length: inFlight }, () => openConnection(address)))
  await connections[0]?.send(requestOf(address, [{ ...eventOf(0), id: 'first' }]), 202)
  const listening = listen(`${url}/v1/stream?topics=order`, (n) => {
    delays.push(performance.now() - (sentAt[Math.floor(n / BATCH)] ?? 0))
  })
  await listening.ready
  const started = performance.now()
  let next = 0
  await Promise.all(
    connections.map(async (connection) => {
      for (let batch = next++; batch < batches.length; batch = next++) {
        sentAt[batch] = performance.now()
        await connection.send(batches[batch] ?? Buffer.alloc(0), 202)
      }
    }),
  )
  const value = ((batches.length * BATCH) / (performance.now() - started)) * 1_000
  listening.stop()
  for (const connection of connections) connection.close()
  return { value, p99: percentile(delays, 0.99) }
}

function eventOf(n: number): { readonly id: string } & Readonly<Record<string, unknown>> {
  return {
    specversion: '1.0',
    id: `e${n}`,
    source: '/bench',
    type: 'order.placed',
    partitionkey: `order-${n % 1_000}`,
    data: orderOf(n),
  }
}

function requestOf({ host }: URL, events: readonly unknown[]): Buffer {
  const body = JSON.stringify(events)
  const head = [
    'POST /v1/events HTTP/1.1',
    `host: ${host}`,
    'content-type: application/cloudevents-batch+json',
    `content-length: ${Buffer.byteLength(body)}`,
  ]
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/** Calls `onEvent` with the number of each event that the stream brings. */
function listen(url: string, onEvent: (n: number) => void): { readonly ready: Promise<void>; stop(): void } {
  let begin: () => void = () => {}
  const ready = new Promise<void>((resolve) => (begin = resolve))
  let rest = ''
  const call = request(url, { headers: { accept: 'text/event-stream' } }, (response) => {
    response.setEncoding('latin1').on('data', (text: string) => {
      begin()
      rest += text
      // From the id to the end of its frame there are many quotes and no line break: a search for that end is far cheaper.
      for (let from = 0; ;) {
        const at = rest.indexOf(MARK, from)
        const end = at === -1 ? -1 : rest.indexOf(END, at)
        if (end === -1) return void (rest = rest.slice(from))
        onEvent(Number.parseInt(rest.slice(at + MARK.length, at + MARK.length + 12), 10))
        from = end
      }
    })
    response.on('error', () => {})
  })
  call.on('error', () => {})
  call.end()
  return { ready, stop: () => call.destroy() }
}
