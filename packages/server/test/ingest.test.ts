import { defineEvent } from '@millrace/core'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { cloudEvent, post, serving, STRUCTURED } from './serving.ts'

const OrderPlaced = defineEvent('order.placed', {
  version: 2,
  schema: z.object({ orderId: z.string(), currency: z.string() }),
  earlier: { 1: { schema: z.object({ orderId: z.string() }), up: (data) => ({ ...data, currency: 'EUR' }) } },
  key: (data) => data.orderId,
})

describe('POST /v1/events', () => {
  test('structured mode stores the event and gives its place', async () => {
    await using app = await serving()
    const { status, answer } = await post(app.url, cloudEvent('a-1', { partitionkey: 'k', other: 'kept' }))
    expect(status).toBe(202)
    expect(answer.results).toEqual([
      { id: 'a-1', outcome: 'stored', partition: expect.any(String), position: expect.any(String) },
    ])
    const [stored] = await app.millrace.find('a-1')
    expect(stored).toMatchObject({
      key: 'k',
      source: '/other',
      data: { orderId: 'a-1' },
      metadata: { extensions: { other: 'kept' } },
    })
  })

  test('binary mode takes attributes from headers, percent-encoding undone', async () => {
    await using app = await serving()
    const { status } = await post(app.url, '{"n":1}', {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': 'b-1',
      'ce-source': '/other',
      'ce-type': 'order.placed',
      'ce-subject': 'caf%C3%A9',
    })
    expect(status).toBe(202)
    expect((await app.millrace.find('b-1'))[0]).toMatchObject({ subject: 'café', data: { n: 1 } })
  })

  test('the limits of the backbone hold where they are narrower than those of the decoder', async () => {
    await using app = await serving({ limits: { depth: 2 } })
    const deep = { ...cloudEvent('deep'), data: { a: { b: { c: 1 } } } }
    const { status, answer } = await post(app.url, [cloudEvent('flat'), deep])
    expect(status).toBe(202)
    expect(answer.results).toMatchObject([{ outcome: 'stored' }, { error: { code: 'limit_exceeded' } }])
  })

  test('an answer is counted by its status and carries the headers of the API', async () => {
    await using app = await serving()
    const { headers } = await post(app.url, cloudEvent('counted'))
    expect(headers.get('content-type')).toBe('application/json')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    await post(app.url, '{')
    const metrics = await (await fetch(`${app.url}/metrics`)).text()
    expect(metrics).toMatch(/millrace_http_requests_total\{[^}]*route="\/v1\/events"[^}]*status="202"[^}]*\} 1/)
    expect(metrics).toMatch(/millrace_http_requests_total\{[^}]*route="\/v1\/events"[^}]*status="400"[^}]*\} 1/)
  })

  test('one bad item of a batch does not spoil the others, and their order is kept', async () => {
    await using app = await serving()
    const good = Array.from({ length: 20 }, (_, at) => cloudEvent(`g-${at}`, { partitionkey: 'same' }))
    const { status, answer } = await post(app.url, [
      ...good.slice(0, 10),
      { ...cloudEvent('bad'), source: undefined },
      ...good.slice(10),
    ])
    expect(status).toBe(202)
    expect(answer.results).toHaveLength(21)
    expect(answer.results[10]).toEqual({
      outcome: 'rejected',
      error: { code: 'event_malformed', detail: expect.any(String), path: 'source', retriable: false },
    })
    const { events } = await app.millrace.read({ key: 'same' })
    expect(events.map(({ id }) => id)).toEqual(good.map(({ id }) => id))
  })

  test('the same event again is stored once; other content under its id is a conflict', async () => {
    await using app = await serving()
    await post(app.url, cloudEvent('c-1'))
    expect((await post(app.url, cloudEvent('c-1'))).answer.results[0]).toMatchObject({
      outcome: 'stored',
      duplicate: true,
    })
    const { status, answer, headers } = await post(app.url, cloudEvent('c-1', { data: { orderId: 'other' } }))
    expect([status, answer.code, headers.get('content-type')]).toEqual([
      409,
      'event_conflict',
      'application/problem+json',
    ])
    expect((await app.millrace.read()).events).toHaveLength(1)
  })

  test('a type of the catalogue is held to its schema, brought to the latest version and keyed', async () => {
    await using app = await serving({ events: [OrderPlaced] })
    const bad = await post(app.url, cloudEvent('d-1', { dataschema: 'millrace:order.placed/2', data: { orderId: 7 } }))
    expect(bad).toMatchObject({ status: 422, answer: { code: 'event_schema_violation', path: 'data.orderId' } })
    expect(await app.millrace.find('d-1')).toEqual([])
    expect((await post(app.url, cloudEvent('d-2', { dataschema: 'https://example.org/order' }))).status).toBe(202)
    const [stored] = await app.millrace.find('d-2')
    expect(stored).toMatchObject({ version: '2', key: 'd-2', data: { orderId: 'd-2', currency: 'EUR' } })
    const newer = await post(app.url, cloudEvent('d-3', { dataschema: 'millrace:order.placed/3' }))
    expect(newer).toMatchObject({ status: 422, answer: { code: 'event_unknown_version' } })
  })

  test('a batch of which nothing was stored is not accepted', async () => {
    await using app = await serving({ events: [OrderPlaced] })
    const { status, answer } = await post(app.url, [
      cloudEvent('e-1', { data: { orderId: 1 } }),
      cloudEvent('e-2', { data: {} }),
    ])
    expect([status, answer.code, answer.results.length]).toEqual([422, 'event_upcast_failed', 2])
  })

  test('back-pressure is 503 with Retry-After, told apart from what was stored', async () => {
    await using app = await serving({ maxPending: 2 })
    await post(app.url, cloudEvent('warm-up'))
    const { status, answer } = await post(
      app.url,
      Array.from({ length: 5 }, (_, at) => cloudEvent(`f-${at}`)),
    )
    expect(status).toBe(202)
    expect(answer.results.map((result: { outcome: string }) => result.outcome)).toEqual([
      'stored',
      'stored',
      'rejected',
      'rejected',
      'rejected',
    ])
    expect(answer.results[2].error).toMatchObject({ code: 'publish_backpressure', retriable: true })
  })

  test('a closed backbone is 503 with Retry-After', async () => {
    await using app = await serving()
    await app.millrace.close()
    const { status, headers } = await post(app.url, cloudEvent('g-1'))
    expect(status).toBe(503)
    expect(headers.get('retry-after')).toBe('1')
  })

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ] as const)('a body in %s is decompressed', async (encoding, compress) => {
    await using app = await serving()
    const body = compress(Buffer.from(JSON.stringify(cloudEvent('h-1'))))
    expect((await post(app.url, body, { 'content-type': STRUCTURED, 'content-encoding': encoding })).status).toBe(202)
  })

  test('mounted into another framework, fetch alone works too', async () => {
    await using app = await serving()
    const request = new Request('http://elsewhere.example/v1/events', {
      method: 'POST',
      headers: { 'content-type': STRUCTURED },
      body: JSON.stringify(cloudEvent('i-1')),
    })
    expect((await app.server.fetch(request)).status).toBe(202)
  })

  test('a foreign type that is no topic name of ours is stored or refused by itself', async () => {
    await using app = await serving()
    const { status, answer } = await post(app.url, [
      cloudEvent('j-1', { type: 'com.Example/Thing Happened' }),
      cloudEvent('j-2'),
    ])
    expect(status).toBe(202)
    expect(answer.results[1].outcome).toBe('stored')
  })
})
