import { createClient } from 'redis'
import { orderOf } from '../order.ts'
import { callsPerSecond, latencies, percentile, type Work } from '../work.ts'
import type { Figures } from './millrace-work.ts'

const LOG = 'bare:log'
const GROUP = 'bare'

/**
 * The limit on Redis: the bare client, single XADDs that it pipelines by itself, a consumer group read by 500 with JSON.parse and one
 * XACK for each read; entries of the same size, no envelope, no validation, no dedupe, no order by key, no dispatch.
 */
export async function run(work: Work): Promise<Figures> {
  // Without the library's own time limit, a timer and a signal for each command, which costs it more than a third of its rate.
  const client = createClient({ url: work.url ?? '', RESP: 2, commandOptions: { timeout: 0 } })
  await client.connect()
  try {
    await client.sendCommand(['XGROUP', 'CREATE', LOG, GROUP, '0', 'MKSTREAM']).catch(() => undefined)
    if (work.what === 'publish' || work.what === 'fill') return { value: await publish(client, work) }
    if (work.what === 'consume' || work.what === 'drain') return { value: await consume(client, work.count) }
    if (work.what === 'roundtrip') return { value: await roundtrip(client, work) }
    return await latency(client, work.count)
  } finally {
    await client.close()
  }
}

type Client = { sendCommand(args: readonly string[]): Promise<unknown> }

/** As many bytes as an envelope adds. */
const ENVELOPE = 'e'.repeat(330)

function append(client: Client, n: number): Promise<unknown> {
  return client.sendCommand(['XADD', LOG, '*', 'event', JSON.stringify({ envelope: ENVELOPE, data: orderOf(n) })])
}

function publish(client: Client, { count, inFlight }: Work): Promise<number> {
  return callsPerSecond(count, inFlight, (n) => append(client, n))
}

type Entry = readonly [id: string, fields: readonly string[]]

async function consume(client: Client, count: number): Promise<number> {
  const started = performance.now()
  for (let seen = 0; seen < count;) seen += await readOnce(client, [])
  return (count / (performance.now() - started)) * 1_000
}

async function readOnce(client: Client, block: readonly string[]): Promise<number> {
  const read = ['XREADGROUP', 'GROUP', GROUP, 'one', 'COUNT', '500', ...block, 'STREAMS', LOG, '>']
  const reply = (await client.sendCommand(read)) as readonly (readonly [string, readonly Entry[]])[] | null
  const entries = reply?.[0]?.[1] ?? []
  for (const [, fields] of entries) JSON.parse(fields[1] ?? '')
  if (entries.length > 0) await client.sendCommand(['XACK', LOG, GROUP, ...entries.map(([id]) => id)])
  return entries.length
}

async function roundtrip(client: Client, work: Work): Promise<number> {
  const started = performance.now()
  const published = publish(client, work)
  await Promise.all([published, consume(client, work.count)])
  return (work.count / (performance.now() - started)) * 1_000
}

async function latency(client: Client, count: number): Promise<Figures> {
  const reader = createClient({ url: (client as unknown as { options: { url: string } }).options.url, RESP: 2 })
  await reader.connect()
  const values = await latencies(count, async (n) => {
    const arrived = readOnce(reader, ['BLOCK', '0'])
    await append(client, n)
    await arrived
  })
  await reader.close()
  return { value: percentile(values, 0.5), p99: percentile(values, 0.99) }
}
