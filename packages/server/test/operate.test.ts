import { defineEvent } from '@millrace/core'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createMetricsReader } from './metrics-reader.ts'
import { cloudEvent, command, post, serving, until, type Serving } from './serving.ts'

const OrderPlaced = defineEvent('order.placed', {
  schema: z.object({ orderId: z.string() }),
  key: (data) => data.orderId,
})

/** A server whose group `billing` fails on every order until `repair` is called. */
async function failing(amount: number): Promise<Serving & { handled: string[]; repair: () => void }> {
  const app = await serving()
  const handled: string[] = []
  let isBroken = true
  await app.millrace.subscribe(
    OrderPlaced,
    (event) => {
      if (isBroken) throw new Error('the bank <b>is</b> closed')
      handled.push(event.data.orderId)
    },
    { group: 'billing', from: 'earliest', retry: { attempts: 1 } },
  )
  await post(
    app.url,
    Array.from({ length: amount }, (_, at) => cloudEvent(`o-${at}`)),
  )
  await until(async () => (await app.millrace.deadLetters.list()).length === amount)
  await until(async () => (await app.millrace.groups()).every(({ lag }) => lag === 0))
  return Object.assign(app, { handled, repair: () => (isBroken = false) })
}

describe('/v1/dead-letters', () => {
  test('lists, counts and shows, with bytes and stack only for who opens one', async () => {
    await using app = await failing(3)
    const { answer } = await command(app.url, '/v1/dead-letters?group=billing&limit=2', undefined, 'GET')
    expect(answer.deadLetters).toHaveLength(2)
    expect(answer.deadLetters[0]).toMatchObject({ group: 'billing', eventType: 'order.placed', attempts: 1 })
    expect(JSON.stringify(answer)).not.toContain('orderId')
    expect(JSON.stringify(answer)).not.toContain('stack')
    const next = await command(
      app.url,
      `/v1/dead-letters?group=billing&limit=2&after=${encodeURIComponent(answer.next)}`,
      undefined,
      'GET',
    )
    expect([next.answer.deadLetters.length, next.answer.next]).toEqual([1, undefined])
    const counts = await command(app.url, '/v1/dead-letters/counts', undefined, 'GET')
    expect(counts.answer.counts).toEqual([expect.objectContaining({ group: 'billing', count: 3 })])
    expect(counts.answer.counts[0].lastFailedAt).toBe(answer.deadLetters[0].lastFailedAt)
    const id = encodeURIComponent(answer.deadLetters[0].id)
    expect((await command(app.url, `/v1/dead-letters/${id}`, undefined, 'GET')).answer).toMatchObject({
      body: expect.any(String),
      event: { type: 'order.placed' },
    })
    expect(await command(app.url, '/v1/dead-letters/none', undefined, 'GET')).toMatchObject({
      status: 404,
      answer: { code: 'dead_letter_unknown' },
    })
  })

  test('requeues one, then all of a filter after a dry run, to the group that failed', async () => {
    await using app = await failing(3)
    app.repair()
    const [letter] = await app.millrace.deadLetters.list()
    expect(await command(app.url, `/v1/dead-letters/${encodeURIComponent(letter?.id ?? '')}/requeue`)).toMatchObject({
      status: 200,
    })
    expect(await command(app.url, `/v1/dead-letters/${encodeURIComponent(letter?.id ?? '')}/requeue`)).toMatchObject({
      status: 404,
    })
    const dry = await command(app.url, '/v1/dead-letters/requeue', { filter: { group: 'billing' }, dryRun: true })
    expect([dry.answer.ids.length, dry.answer.dryRun]).toEqual([2, true])
    await command(app.url, '/v1/dead-letters/requeue', { filter: { group: 'billing' } })
    await until(() => app.handled.length === 3)
    expect(await app.millrace.deadLetters.list()).toEqual([])
  })

  test('edits data and hands it back, or refuses what the schema does not allow', async () => {
    await using app = await failing(1)
    app.repair()
    const [letter] = await app.millrace.deadLetters.list()
    const path = `/v1/dead-letters/${encodeURIComponent(letter?.id ?? '')}/edit`
    expect(await command(app.url, path, { data: { orderId: 7 } })).toMatchObject({
      status: 422,
      answer: { code: 'event_schema_violation' },
    })
    expect(await command(app.url, path, {})).toMatchObject({ status: 400, answer: { path: 'data' } })
    expect(await command(app.url, path, { data: { orderId: 'fixed' }, by: 'ann' })).toMatchObject({
      status: 200,
      answer: { eventId: expect.any(String) },
    })
    await until(() => app.handled.includes('fixed'))
  })

  test('discards by DELETE and in bulk, and only what was named', async () => {
    await using app = await failing(3)
    const [letter] = await app.millrace.deadLetters.list()
    expect(
      await command(app.url, `/v1/dead-letters/${encodeURIComponent(letter?.id ?? '')}`, undefined, 'DELETE'),
    ).toMatchObject({ status: 200 })
    for (const body of [
      {},
      { filter: {} },
      { all: true, ids: ['x'] },
      { filter: { gruop: 'billing' } },
      { ids: 'x' },
    ]) {
      expect(await command(app.url, '/v1/dead-letters/discard', body)).toMatchObject({
        status: 400,
        answer: { code: 'request_invalid' },
      })
    }
    expect(await app.millrace.deadLetters.list()).toHaveLength(2)
    expect((await command(app.url, '/v1/dead-letters/discard', { all: true })).answer.ids).toHaveLength(2)
  })
})

describe('/v1/replays', () => {
  test('a dry run counts, a replay runs on and can be watched', async () => {
    await using app = await serving()
    const seen: string[] = []
    await app.millrace.subscribe(OrderPlaced, (event) => void seen.push(event.id), { group: 'audit', from: 'earliest' })
    await post(app.url, [cloudEvent('1'), cloudEvent('2')])
    await until(() => seen.length === 2)
    const range = { group: 'audit', from: 'earliest' }
    expect(await command(app.url, '/v1/replays', { ...range, dryRun: true })).toMatchObject({
      status: 200,
      answer: { matched: 2, replayed: 0, dryRun: true },
    })
    const { status, answer } = await command(app.url, '/v1/replays', range)
    expect([status, answer.state, answer.matched]).toEqual([202, 'running', 2])
    await until(() => seen.length === 4)
    await until(
      async () => (await command(app.url, `/v1/replays/${answer.id}`, undefined, 'GET')).answer.state === 'done',
    )
    expect((await command(app.url, '/v1/replays', undefined, 'GET')).answer.replays).toMatchObject([
      { id: answer.id, replayed: 2 },
    ])
  })

  test.each([
    [{ from: 'earliest' }, 400, 'request_invalid'],
    [{ group: 'audit' }, 400, 'request_invalid'],
    [{ group: 'nobody', from: 'earliest' }, 404, 'group_unknown'],
    [{ group: 'audit', from: 'yesterday' }, 400, 'request_invalid'],
    [{ group: 'audit', from: { cursor: '!' } }, 400, 'position_invalid'],
    [{ group: 'audit', from: 'earliest', rate: -1 }, 400, 'request_invalid'],
    [{ group: 'audit', from: '2026-01-02T00:00:00Z', to: '2026-01-01T00:00:00Z' }, 400, 'replay_invalid'],
  ])('%j is refused before anything runs', async (body, status, code) => {
    await using app = await serving()
    await app.millrace.subscribe(OrderPlaced, () => {}, { group: 'audit' })
    expect(await command(app.url, '/v1/replays', body)).toMatchObject({ status, answer: { code } })
    expect((await command(app.url, '/v1/replays', undefined, 'GET')).answer.replays).toEqual([])
  })

  test('a slow one is cancelled', async () => {
    await using app = await serving()
    await app.millrace.subscribe(OrderPlaced, () => {}, { group: 'audit' })
    await post(
      app.url,
      Array.from({ length: 50 }, (_, at) => cloudEvent(`s-${at}`)),
    )
    const { answer } = await command(app.url, '/v1/replays', { group: 'audit', from: 'earliest', rate: 0.5 })
    await command(app.url, `/v1/replays/${answer.id}`, undefined, 'DELETE')
    await until(
      async () => (await command(app.url, `/v1/replays/${answer.id}`, undefined, 'GET')).answer.state === 'cancelled',
    )
  })
})

describe('browsing', () => {
  test('pages forwards and backwards, by filters, to every event once', async () => {
    await using app = await serving()
    await post(
      app.url,
      Array.from({ length: 25 }, (_, at) =>
        cloudEvent(`p-${at}`, { type: at % 5 === 0 ? 'page.viewed' : 'order.placed', partitionkey: `k${at % 3}` }),
      ),
    )
    for (const backwards of [false, true]) {
      const seen: string[] = []
      let after: string | undefined
      for (;;) {
        const cursor: string = after === undefined ? '' : `&after=${encodeURIComponent(after)}`
        const { answer } = await command(
          app.url,
          `/v1/events?limit=10&backwards=${backwards}${cursor}`,
          undefined,
          'GET',
        )
        seen.push(...answer.events.map(({ id }: { id: string }) => id))
        if (answer.next === undefined || answer.events.length === 0) break
        after = answer.next
      }
      expect(seen.toSorted()).toEqual(Array.from({ length: 25 }, (_, at) => `p-${at}`).toSorted())
    }
    const pages = await command(app.url, '/v1/events?topic=page', undefined, 'GET')
    expect(pages.answer.events).toHaveLength(5)
    const key = await command(app.url, '/v1/events?key=k1&type=order.placed', undefined, 'GET')
    expect(
      key.answer.events.every(
        (event: { partitionkey: string; type: string }) => event.partitionkey === 'k1' && event.type === 'order.placed',
      ),
    ).toBe(true)
  })

  test('one event, by source where its id is not unique; one flow', async () => {
    await using app = await serving()
    await post(app.url, [
      cloudEvent('same'),
      cloudEvent('same', { source: '/second' }),
      cloudEvent('next', { correlationid: 'same', causationid: 'same' }),
    ])
    expect(await command(app.url, '/v1/events/same', undefined, 'GET')).toMatchObject({
      status: 400,
      answer: { path: 'source', sources: expect.arrayContaining(['/other', '/second']) },
    })
    expect(await command(app.url, '/v1/events/same?source=/second', undefined, 'GET')).toMatchObject({
      status: 200,
      answer: { source: '/second' },
    })
    expect(await command(app.url, '/v1/events/nope', undefined, 'GET')).toMatchObject({
      status: 404,
      answer: { code: 'not_found' },
    })
    expect(
      (await command(app.url, '/v1/traces/same', undefined, 'GET')).answer.events.map(({ id }: { id: string }) => id),
    ).toContain('next')
    expect(
      (await command(app.url, '/v1/events?correlation=same&type=order.placed', undefined, 'GET')).answer.events.length,
    ).toBeGreaterThanOrEqual(2)
  })

  test('topics, groups and status', async () => {
    await using app = await failing(1)
    expect((await command(app.url, '/v1/topics/order', undefined, 'GET')).answer).toMatchObject({
      topic: 'order',
      held: 1,
      groups: ['billing'],
    })
    expect((await command(app.url, '/v1/groups/billing', undefined, 'GET')).answer).toMatchObject({
      group: 'billing',
      lag: 0,
      deadLetters: 1,
      filter: ['order.placed'],
    })
    expect((await command(app.url, '/v1/topics/none', undefined, 'GET')).status).toBe(404)
    expect((await command(app.url, '/v1/groups/none', undefined, 'GET')).status).toBe(404)
    expect((await command(app.url, '/v1/status', undefined, 'GET')).answer).toMatchObject({
      name: 'shop',
      engine: { name: 'memory', durability: 'memory' },
    })
  })
})

test('/metrics counts what was published and handled, and stays bounded', async () => {
  await using app = await failing(2)
  await post(
    app.url,
    Array.from({ length: 900 }, (_, at) => cloudEvent(`t-${at}`, { type: `flood${at}.x` })),
  )
  const read = (series: string): Promise<number | undefined> => createMetricsReader(app.url, series)()
  expect(await read('millrace_events_published_total{topic="order",outcome="stored"}')).toBe(2)
  expect(await read('millrace_events_handled_total{group="billing",type="order.placed",outcome="dead-letter"}')).toBe(2)
  expect(await read('millrace_dead_letters{group="billing"}')).toBe(2)
  expect(await read('millrace_group_lag{group="billing"}')).toBe(0)
  expect(await read('millrace_engine_up')).toBe(1)
  const text = await (await fetch(`${app.url}/metrics`)).text()
  expect(text.match(/^millrace_events_published_total\{/gm)?.length).toBeLessThanOrEqual(202)
  expect(text).toContain('millrace_events_published_total{topic="other"')
})
