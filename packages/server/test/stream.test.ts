import { connect } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineEvent, systemRuntime, type EventMessage, type Runtime } from '@millrace/core'
import { memory } from '@millrace/core/memory'
import { sqlite } from '@millrace/sqlite'
import { afterAll, describe, expect, test } from 'vitest'
import { decodeEvent } from '@millrace/core/contract'
import { z } from 'zod'
import { eventFrameText, frameText } from '../src/stream/frame.ts'
import { createMetricsReader } from './metrics-reader.ts'
import { cloudEvent, post, serving, until } from './serving.ts'
import { openStream, type SseClient } from './sse-client.ts'

const OrderPlaced = defineEvent('order.placed', {
  version: 2,
  schema: z.object({ orderId: z.string(), currency: z.string() }),
  earlier: { 1: { schema: z.object({ orderId: z.string() }), up: (data) => ({ ...data, currency: 'EUR' }) } },
})
const event = (id: string, more: object = {}): EventMessage => decodeEvent(cloudEvent(id, more))
const folder = await mkdtemp(join(tmpdir(), 'millrace-stream-'))
afterAll(() => rm(folder, { recursive: true, force: true }))

const engines = [
  ['memory', () => memory()],
  ['sqlite', () => sqlite(join(folder, `${Math.random()}.db`))],
] as const

async function ids(client: SseClient, amount: number): Promise<string[]> {
  const seen: string[] = []
  while (seen.length < amount) {
    const received = await client.next()
    if (received === undefined) throw new Error(`The stream ended after ${seen.length} events.`)
    if (received.event === 'message') seen.push((JSON.parse(received.data) as { id: string }).id)
  }
  return seen
}

describe.each(engines)('GET /v1/stream on %s', (_name, engine) => {
  test('begins by saying where, then gives what is stored', async () => {
    await using app = await serving({ engine: engine() })
    await app.millrace.publish(event('before'))
    const client = await openStream(app.url)
    expect(client.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    const begin = await client.next()
    expect([begin?.event, JSON.parse(begin?.data ?? '')]).toEqual(['begin', { cursor: begin?.id, recovered: true }])
    await post(app.url, cloudEvent('after', { partitionkey: 'k' }))
    const received = await client.next()
    expect(JSON.parse(received?.data ?? '')).toMatchObject({
      id: 'after',
      topic: 'order',
      partitionkey: 'k',
      partition: expect.any(String),
      position: expect.any(String),
      recordedtime: expect.any(String),
    })
    client.close()
  })

  test('shows an event of an earlier version at the latest one, others as they are stored', async () => {
    await using app = await serving({ engine: engine() })
    await post(app.url, [
      ...['old', 'old too'].map((id) => cloudEvent(id, { partitionkey: 'k' })),
      cloudEvent('other', { type: 'order.seen', extra: 'kept' }),
      cloudEvent('third', { type: 'order.seen', topic: 'own' }),
    ])
    app.millrace.create(OrderPlaced, { orderId: 'n', currency: 'EUR' })
    const client = await openStream(app.url, '?from=earliest')
    await client.next()
    const shown = new Map<string, unknown>()
    while (shown.size < 4) {
      const body = JSON.parse((await client.next())?.data ?? '') as { id: string }
      shown.set(body.id, body)
    }
    for (const id of ['old', 'old too']) {
      expect(shown.get(id)).toMatchObject({
        dataschema: 'millrace:order.placed/2',
        data: { orderId: id, currency: 'EUR' },
      })
    }
    expect(shown.get('other')).toMatchObject({ dataschema: 'millrace:order.seen/1', extra: 'kept', topic: 'order' })
    expect(shown.get('third')).toMatchObject({ topic: 'own', partition: expect.any(String) })
    client.close()
  })

  test('resumes by Last-Event-ID without gap or duplicate while events are published', async () => {
    await using app = await serving({ engine: engine() })
    const total = 600
    const publishing = (async () => {
      for (let at = 0; at < total; at += 10) {
        await post(
          app.url,
          Array.from({ length: 10 }, (_, more) => cloudEvent(`e-${at + more}`, { partitionkey: `k${more}` })),
        )
      }
    })()
    const seen: string[] = []
    let last: string | undefined
    for (let cut = 0; seen.length < total; cut += 1) {
      const client = await openStream(app.url, '?from=earliest', last)
      seen.push(...(await ids(client, Math.min(total - seen.length, 37 + cut))))
      last = client.lastId
      client.close()
    }
    await publishing
    expect(seen.toSorted()).toEqual(Array.from({ length: total }, (_, at) => `e-${at}`).toSorted())
  })
})

test('resumes a stream of many topics, whose cursor is long, by the header and by the parameter', async () => {
  await using app = await serving()
  const types = Array.from({ length: 30 }, (_, at) => `topic${at}.seen`)
  for (const type of types) {
    await app.millrace.publishBatch(
      Array.from({ length: 70 }, (_, at) => event(`${type}-${at}`, { type, partitionkey: `${at}` })),
    )
  }
  const client = await openStream(app.url, '?from=earliest')
  await ids(client, 2_100)
  const cursor = client.lastId ?? ''
  client.close()
  expect(cursor.length).toBeGreaterThan(4_096)
  await app.millrace.publish(event('next'))
  for (const again of [await openStream(app.url, '', cursor), await openStream(app.url, `?from=${cursor}`)]) {
    expect(await ids(again, 1)).toEqual(['next'])
    again.close()
  }
})

test('filters by topics, types and channels', async () => {
  await using app = await serving()
  await app.millrace.publishBatch([event('order'), event('page', { type: 'page.viewed' })])
  for (const [query, expected] of [
    ['?topics=page', ['2']],
    ['?types=order.*', ['1', '3']],
    ['?channel=topic:page', ['2']],
    ['?channel=type:order.placed&channel=type:page.*', ['1', '2']],
  ] as const) {
    const [id1, id2, id3, end] = [`${query}1`, `${query}2`, `${query}3`, `${query}end`]
    const client = await openStream(app.url, query)
    await client.next()
    await app.millrace.publishBatch([
      event(id1),
      event(id2, { type: 'page.viewed' }),
      event(id3, { type: 'order.paid' }),
    ])
    await app.millrace.publish(event(end, { type: expected.includes('2' as never) ? 'page.viewed' : 'order.placed' }))
    const seen = await ids(client, expected.length + 1)
    expect(seen.toSorted()).toEqual([...expected.map((suffix) => query + suffix), end].toSorted())
    client.close()
  }
})

describe('51: Last-Event-ID and parameters', () => {
  test.each([
    ['garbage', 'garbage!'],
    ['a negative number', '-1'],
    ['a megabyte of it', 'x'.repeat(5_000)],
    ['JSON of another shape', Buffer.from('{"a":1}').toString('base64url')],
  ])('%s', async (_name, lastEventId) => {
    await using app = await serving()
    await app.millrace.publish(event('1'))
    const response = await fetch(`${app.url}/v1/stream`, { headers: { 'last-event-id': lastEventId } })
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, 'position_invalid'])
  })

  test.each([
    'from=yesterday',
    'channel=order',
    'channel=topic:',
    'types=order*',
    'topic=order',
    `from=${'x'.repeat(5_000)}`,
  ])('%s', async (query) => {
    await using app = await serving()
    const response = await fetch(`${app.url}/v1/stream?${query}`)
    expect(response.status).toBe(400)
    await response.json()
  })

  test('older than what retention has kept: the client is told', async () => {
    await using app = await serving({ topics: { order: { partitions: 1, retention: { maxEvents: 5 } } } })
    await app.millrace.publish(event('first'))
    const client = await openStream(app.url, '?from=earliest')
    await ids(client, 1)
    client.close()
    await app.millrace.publishBatch(Array.from({ length: 50 }, (_, at) => event(`e-${at}`)))
    await until(async () => ((await app.millrace.topics())[0]?.held ?? 99) <= 10)
    const again = await openStream(app.url, '', client.lastId)
    expect(JSON.parse((await again.next())?.data ?? '')).toMatchObject({ recovered: false })
    again.close()
  })
})

/** A runtime that hands out the timers of so many milliseconds which still run, to be let run out by hand. */
function withPatience(ofMs: number): { readonly runtime: Runtime; readonly patience: ReadonlySet<() => void> } {
  const system = systemRuntime()
  const patience = new Set<() => void>()
  const setTimer: Runtime['setTimer'] = (run, ms) => {
    if (ms !== ofMs) return system.setTimer(run, ms)
    const runOut = (): void => {
      patience.delete(runOut)
      run()
    }
    patience.add(runOut)
    return { cancel: () => void patience.delete(runOut) }
  }
  return { runtime: { ...system, setTimer }, patience }
}

describe('52: clients that do not read', () => {
  test('one that takes nothing is cut off, and the others go on', async () => {
    const { runtime, patience } = withPatience(12_345)
    await using app = await serving({
      server: { runtime, limits: { streamBufferBytes: 50_000 }, timeouts: { slowClientMs: 12_345 } },
    })
    await app.millrace.publish(event('makes the topic'))
    const client = await openStream(app.url)
    const { hostname, port } = new URL(app.url)
    const socket = connect(Number(port), hostname)
    socket.pause()
    socket.write('GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    const streams = createMetricsReader(app.url, 'millrace_realtime_connections')
    await until(async () => (await streams()) === 2)
    const quick = ids(client, 120)
    for (let at = 0; at < 120; at += 1) await app.millrace.publish(event(`large-${at}`, { data: 'x'.repeat(200_000) }))
    expect(await quick).toHaveLength(120)
    // First that of its buffer, then that of its last message.
    for (const _ of ['dropped', 'cut']) {
      await until(() => patience.size === 1)
      for (const runOut of patience) runOut()
    }
    await until(async () => (await streams()) === 1)
    client.close()
    socket.destroy()
  })

  test('one that is too slow is told so by its last message, and resumes from what it has taken', async () => {
    const { runtime, patience } = withPatience(12_345)
    await using app = await serving({
      server: { runtime, limits: { streamBufferBytes: 10_000 }, timeouts: { slowClientMs: 12_345 } },
    })
    await app.millrace.publish(event('makes the topic'))
    // The bare handler has no socket that would take bytes ahead: what is not read here waits in the server.
    const response = await app.server.fetch(new Request(`${app.url}/v1/stream`))
    const reader = response.body?.getReader()
    const decoder = new TextDecoder()
    expect(decoder.decode((await reader?.read())?.value)).toContain('event: begin')
    const all = Array.from({ length: 6 }, (_, at) => event(`e-${at}`, { key: 'k', data: 'x'.repeat(9_000) }))
    await app.millrace.publishBatch(all)
    await until(() => patience.size === 1)
    for (const runOut of patience) runOut()
    await until(() => patience.size === 1)
    const last = decoder.decode((await reader?.read())?.value)
    expect(last).toMatch(/^event: dropped\ndata: .*overloaded/)
    expect((await reader?.read())?.done).toBe(true)
  })

  test('more streams than allowed are refused with Retry-After, and a place is free again when one leaves', async () => {
    await using app = await serving({ server: { limits: { streams: 2 } } })
    const clients = [await openStream(app.url), await openStream(app.url)]
    const refused = await fetch(`${app.url}/v1/stream`)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5'])
    await refused.json()
    clients[0]?.close()
    await until(async () => {
      const client = await openStream(app.url)
      client.close()
      return client.response.status === 200
    })
    clients[1]?.close()
  })
})

describe('53: what events hold cannot forge frames', () => {
  test('line breaks in data stay inside one frame', async () => {
    await using app = await serving()
    await app.millrace.publish(event('makes the topic'))
    const client = await openStream(app.url)
    await client.next()
    const nasty = 'a\n\ndata: evil\r\nevent: end\rid: forged\u2028'
    await app.millrace.publish(event('nasty', { data: nasty, subject: 'x' }))
    const received = await client.next()
    expect(received?.event).toBe('message')
    expect(JSON.parse(received?.data ?? '')).toMatchObject({ id: 'nasty', data: nasty })
    client.close()
  })

  test('a frame keeps every kind of line break apart', () => {
    expect(frameText({ event: 'a\nb', id: 'c\r\nid: d\0', data: 'e\rf\r\ng\nh' })).toBe(
      'event: ab\nid: cid: d\ndata: e\ndata: f\ndata: g\ndata: h\n\n',
    )
  })

  test.each(['\n', '\r', '\r\n'])(
    'a body that somebody has stored in several lines stays inside one frame (%j)',
    (end) => {
      const place = { topic: 'order', partition: 1, position: '0042', recordedAt: '2026-01-31T12:00:01.000Z' }
      const body = ['{"id":"1",', '', '"type":"t"}'].join(end)
      expect(eventFrameText({ ...place, body, extensions: undefined, cursor: 'c' })).toBe(
        'id: c\ndata: {"topic":"order","recordedtime":"2026-01-31T12:00:01.000Z","partition":"1","position":"0042","id":"1",\ndata: \ndata: "type":"t"}\n\n',
      )
    },
  )
})

test('a quiet stream shows signs of life that move the client forward', async () => {
  await using app = await serving({ server: { timeouts: { heartbeatMs: 20 } } })
  await app.millrace.publish(event('makes the topic'))
  const client = await openStream(app.url, '?types=order.placed')
  await client.next()
  const reading = client.next()
  await until(() => client.comments.filter((comment) => comment === 'heartbeat').length >= 2)
  await app.millrace.publish(event('1'))
  expect((await reading)?.event).toBe('message')
  client.close()
})
