import { afterEach, describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import {
  createMillrace,
  defineEvent,
  isMillraceError,
  MillraceError,
  reject,
  retry,
  systemRuntime,
  type Millrace,
  type MillraceOptions,
  type StoredEvent,
} from '../../src/index.ts'
import { createMemoryEngine, memory } from '../../src/memory.ts'
import { until } from '../until.ts'

const OrderPlaced = defineEvent('order.placed', {
  schema: z.object({ orderId: z.string(), n: z.number().default(0) }),
  key: (order) => order.orderId,
})
const OrderPaid = defineEvent('order.paid', {
  schema: z.object({ orderId: z.string() }),
  key: (order) => order.orderId,
})
const QuoteAsked = defineEvent('quote.asked', { schema: z.object({ text: z.string() }) })
const QuoteReady = defineEvent('quote.ready', { schema: z.object({ price: z.number() }) })

const open: Millrace[] = []
function start(options: Partial<MillraceOptions> = {}): Millrace {
  const millrace = createMillrace({ engine: memory(), name: 'shop', ...options })
  open.push(millrace)
  return millrace
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((millrace) => millrace.close({ timeoutMs: 1_000 })))
})

describe('publishing', () => {
  it('stores an event and finds it by id, with the flow and session filled in', async () => {
    const millrace = start()
    const published = await millrace.publish(OrderPlaced, { orderId: 'a' })
    expect(published).toMatchObject({ outcome: 'stored', topic: 'order', duplicate: false })
    const [found] = await millrace.find(published.id)
    expect(found).toMatchObject({
      id: published.id,
      type: 'order.placed',
      version: '1',
      source: '/shop',
      key: 'a',
      data: { orderId: 'a', n: 0 },
    })
    expect(found?.metadata.correlationId).toBe(published.id)
    expect(found?.metadata.sessionId).toMatch(/^instance:/)
  })

  it('stores the same id once and tells a resend from a conflict', async () => {
    const millrace = start()
    const first = await millrace.publish(OrderPlaced, { orderId: 'a' }, { id: 'one' })
    const again = await millrace.publish(OrderPlaced, { orderId: 'a' }, { id: 'one' })
    expect(again).toMatchObject({ duplicate: true, position: first.position })
    await expect(millrace.publish(OrderPlaced, { orderId: 'b' }, { id: 'one' })).rejects.toMatchObject({
      code: 'event_conflict',
    })
    expect((await millrace.read()).events).toHaveLength(1)
  })

  it('gives each event of a batch its own result, in order', async () => {
    const millrace = start({ limits: { eventBytes: 2_000 } })
    const good = OrderPlaced.create({ orderId: 'a' })
    const big = OrderPlaced.create({ orderId: 'x'.repeat(200) })
    const tooBig = { ...big, id: 'big', data: { orderId: 'x'.repeat(3_000), n: 0 } }
    const results = await millrace.publishBatch([good, tooBig, OrderPlaced.create({ orderId: 'b' })])
    expect(results.map((result) => result.outcome)).toEqual(['stored', 'rejected', 'stored'])
    expect(results[1]).toMatchObject({ error: { code: 'limit_exceeded' } })
    expect((await millrace.read()).events).toHaveLength(2)
  })

  it('sends a message to the topic of the definition that made it, known to this backbone or not', async () => {
    const Logged = defineEvent('log.line', { schema: z.object({}), topic: 'audit' })
    const millrace = start()
    expect(await millrace.publishBatch([Logged.create({})])).toMatchObject([{ topic: 'audit' }])
  })

  it('refuses hand-made messages that are none, each for itself', async () => {
    const millrace = start()
    const good = OrderPlaced.create({ orderId: 'a' })
    const bad = [
      undefined,
      { ...good, id: '' },
      { ...good, key: 'k'.repeat(300) },
      { ...good, data: new Map() },
      { ...good, data: { n: 1n } },
      { ...good, metadata: {} },
    ]
    const results = await millrace.publishBatch([...bad, good] as never)
    expect(results.map(({ outcome }) => outcome)).toEqual([...bad.map(() => 'rejected'), 'stored'])
  })

  it('refuses a batch over the limit, and takes an empty one', async () => {
    const millrace = start({ limits: { batchEvents: 2 } })
    const events = [1, 2, 3].map((n) => OrderPlaced.create({ orderId: 'a', n }))
    await expect(millrace.publishBatch(events)).rejects.toMatchObject({ code: 'limit_exceeded' })
    expect(await millrace.publishBatch([])).toEqual([])
  })

  it('refuses what comes when too many wait, and after close', async () => {
    const millrace = start({ maxPending: 10 })
    await millrace.publish(OrderPlaced, { orderId: 'first' })
    const results = await Promise.allSettled(
      Array.from({ length: 50 }, () => millrace.publish(OrderPlaced, { orderId: 'a' })),
    )
    const refused = results.filter((result) => result.status === 'rejected')
    expect(refused).toHaveLength(40)
    expect(refused.every(({ reason }) => isMillraceError(reason, 'publish_backpressure'))).toBe(true)
    await millrace.close()
    await expect(millrace.publish(OrderPlaced, { orderId: 'a' })).rejects.toMatchObject({ code: 'closed' })
  })

  it('stores nothing under a signal that has fired', async () => {
    const millrace = start()
    const [result] = await millrace.publishBatch([OrderPlaced.create({ orderId: 'a' })], {
      signal: AbortSignal.abort(),
    })
    expect(result).toMatchObject({ outcome: 'rejected', error: { code: 'aborted' } })
    expect((await millrace.read()).events).toHaveLength(0)
  })

  it('refuses to start below the durability that is demanded', async () => {
    const millrace = start({ durability: { atLeast: 'fsync' } })
    await expect(millrace.publish(OrderPlaced, { orderId: 'a' })).rejects.toMatchObject({ code: 'durability_too_low' })
  })
})

describe('handling', () => {
  it('continues the flow in what a handler publishes, also from messages made by hand', async () => {
    const millrace = start()
    await millrace.subscribe(OrderPlaced, async ({ data }) => {
      await millrace.publish(OrderPaid, { orderId: data.orderId })
      await millrace.publishBatch([QuoteReady.create({ price: 1 })])
    }, { group: 'payments' }) // prettier-ignore
    const cause = await millrace.publish(
      OrderPlaced,
      { orderId: 'a' },
      { userId: 'ann', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
    )
    await until(async () => (await millrace.trace(cause.id)).length === 3)
    // Of one millisecond in two partitions either may come first.
    const [, ...effects] = await millrace.trace(cause.id)
    const [paid, ready] = [OrderPaid, QuoteReady].map(({ type }) => effects.find((effect) => effect.type === type))
    for (const effect of [paid, ready]) {
      expect(effect?.metadata).toMatchObject({
        correlationId: cause.id,
        causationId: cause.id,
        traceparent: expect.stringContaining('0af7651916cd43dd'),
      })
    }
    expect(paid?.metadata.userId).toBe('ann')
  })

  it('breaks a circle of handlers', async () => {
    const millrace = start()
    await millrace.subscribe(
      OrderPlaced,
      async ({ data }) => void (await millrace.publish(OrderPlaced, { ...data, n: data.n + 1 })),
      { group: 'circle', retry: { attempts: 1 } },
    )
    await millrace.publish(OrderPlaced, { orderId: 'a' })
    await until(async () => (await millrace.deadLetters.list()).length === 1)
    const [letter] = await millrace.deadLetters.list()
    expect(letter?.error).toMatchObject({ code: 'limit_exceeded' })
  })

  it('gives up on a handler that never settles, fires its signal, and goes on with the key', async () => {
    const millrace = start()
    const handled: number[] = []
    let fired = false
    await millrace.subscribe(OrderPlaced, ({ data }, { signal, attempt }) => {
      if (data.n === 1 && attempt === 1) {
        signal.addEventListener('abort', () => (fired = true))
        return new Promise(() => {})
      }
      handled.push(data.n)
      return undefined
    }, { group: 'slow', timeout: 150, retry: { backoff: { first: 1 } } }) // prettier-ignore
    for (const n of [1, 2]) await millrace.publish(OrderPlaced, { orderId: 'a', n })
    await until(() => handled.length === 2)
    expect(handled).toEqual([1, 2])
    expect(fired).toBe(true)
  })

  it.each([null, undefined, 'text', Object.freeze(new Error('frozen')), Symbol('s')])(
    'takes whatever a handler throws for a failure: %s',
    async (thrown) => {
      const millrace = start()
      await millrace.subscribe(OrderPlaced, () => {
      throw thrown
    }, { group: 'throws', retry: { attempts: 2, backoff: { first: 1 } } }) // prettier-ignore
      await millrace.publish(OrderPlaced, { orderId: 'a' })
      await until(async () => (await millrace.deadLetters.list()).length === 1)
      expect((await millrace.deadLetters.list())[0]).toMatchObject({ attempts: 2, error: { code: 'handler_failed' } })
    },
  )

  it('decodes anew for each attempt, so that a failed one leaves no trace in the event', async () => {
    const millrace = start()
    const seen: unknown[] = []
    await millrace.subscribe(OrderPlaced, (event, { attempt }) => {
      seen.push(structuredClone(event.data))
      Object.assign(event.data, { n: 99 })
      if (attempt === 1) throw new Error('once')
    }, { group: 'mutates', retry: { backoff: { first: 1 } } }) // prettier-ignore
    await millrace.publish(OrderPlaced, { orderId: 'a', n: 1 })
    await until(() => seen.length === 2)
    expect(seen[1]).toEqual(seen[0])
  })

  it('runs middleware around the handler, the first outermost', async () => {
    const steps: string[] = []
    const layer = (name: string) => async (_event: StoredEvent, _delivery: unknown, next: () => Promise<unknown>) => {
      steps.push(`${name} in`)
      await next()
      steps.push(`${name} out`)
    }
    const millrace = start({ middleware: [layer('outer') as never] })
    await millrace.subscribe(OrderPlaced, () => void steps.push('handler'), {
      group: 'layers',
      middleware: [layer('inner') as never],
    })
    await millrace.publish(OrderPlaced, { orderId: 'a' })
    await until(() => steps.length === 5)
    expect(steps).toEqual(['outer in', 'inner in', 'handler', 'inner out', 'outer out'])
  })

  it('counts an expired event and does not hand it over', async () => {
    const millrace = start()
    const seen: number[] = []
    await millrace.subscribe(OrderPlaced, ({ data }) => void seen.push(data.n), { group: 'fresh' })
    await millrace.publish(OrderPlaced, { orderId: 'a', n: 1 }, { expiresAt: '2020-01-01T00:00:00.000Z' })
    await millrace.publish(OrderPlaced, { orderId: 'a', n: 2 })
    await until(() => seen.length > 0)
    expect(seen).toEqual([2])
    await until(async () => (await millrace.groups())[0]?.lag === 0)
  })

  it('parks the key behind a dead letter and goes on in order after the requeue', async () => {
    const millrace = start()
    const seen: number[] = []
    let broken = true
    await millrace.subscribe(OrderPlaced, ({ data }) => {
      if (broken && data.n === 1) return reject('not now')
      seen.push(data.n)
      return undefined
    }, { group: 'careful', onDeadLetter: 'park-key' }) // prettier-ignore
    for (const n of [1, 2, 3]) await millrace.publish(OrderPlaced, { orderId: 'a', n })
    await millrace.publish(OrderPlaced, { orderId: 'b', n: 10 })
    await until(async () => seen.includes(10) && (await millrace.groups())[0]?.lane.parked === 2)
    expect(seen).toEqual([10])
    broken = false
    await millrace.deadLetters.requeue({ group: 'careful' })
    await until(() => seen.length === 4)
    expect(seen).toEqual([10, 1, 2, 3])
    await millrace.publish(OrderPlaced, { orderId: 'a', n: 4 })
    await until(() => seen.length === 5)
  })

  it('keeps order by key across a retry that is too long for memory', async () => {
    const millrace = start()
    const seen: string[] = []
    await millrace.subscribe(OrderPlaced, ({ data }, { attempt }) => {
      if (data.orderId === 'a' && data.n === 1 && attempt === 1) return retry({ after: 5_200 })
      seen.push(`${data.orderId}${data.n}`)
      return undefined
    }, { group: 'patient' }) // prettier-ignore
    for (const n of [1, 2]) await millrace.publish(OrderPlaced, { orderId: 'a', n })
    await millrace.publish(OrderPlaced, { orderId: 'b', n: 1 })
    await until(() => seen.includes('b1'))
    await until(async () => (await millrace.groups())[0]?.lane.waiting === 2)
    await until(() => seen.length === 3)
    expect(seen).toEqual(['b1', 'a1', 'a2'])
  })

  it('requeues an edited dead letter under a new id that names the original', async () => {
    const millrace = start()
    const seen: StoredEvent[] = []
    await millrace.subscribe(OrderPlaced, (event) => {
      if (event.data.n < 0) return reject('negative')
      seen.push(event as never)
      return undefined
    }, { group: 'checks' }) // prettier-ignore
    const { id } = await millrace.publish(OrderPlaced, { orderId: 'a', n: -1 })
    await until(async () => (await millrace.deadLetters.list()).length === 1)
    const letter = (await millrace.deadLetters.list())[0]
    const letterId = letter?.id ?? ''
    await expect(millrace.deadLetters.edit(letterId, { orderId: 7 })).rejects.toMatchObject({
      code: 'event_schema_violation',
    })
    await millrace.deadLetters.edit(letterId, { orderId: 'a', n: 1 }, { by: 'ann' })
    await until(() => seen.length === 1)
    expect(seen[0]?.id).not.toBe(id)
    expect(seen[0]?.metadata.extensions).toMatchObject({ editedfrom: id, editedby: 'ann' })
    await expect(millrace.deadLetters.get(letterId)).rejects.toMatchObject({ code: 'dead_letter_unknown' })
  })

  it('replays a range into one group and leaves the others alone', async () => {
    const millrace = start()
    const seen: Record<string, number[]> = { one: [], two: [] }
    for (const group of ['one', 'two'])
      await millrace.subscribe(OrderPlaced, ({ data }) => void seen[group]?.push(data.n), { group })
    for (let n = 0; n < 20; n += 1) await millrace.publish(OrderPlaced, { orderId: `k${n % 3}`, n })
    await until(() => seen['one']?.length === 20 && seen['two']?.length === 20)
    expect(await millrace.replay({ group: 'one', from: 'earliest', dryRun: true })).toEqual({
      matched: 20,
      replayed: 0,
      dryRun: true,
    })
    await millrace.replay({ group: 'one', from: 'earliest', key: 'k1' })
    await until(() => seen['one']?.length === 27)
    expect(seen['one']?.slice(20)).toEqual([1, 4, 7, 10, 13, 16, 19])
    expect(seen['two']).toHaveLength(20)
    await expect(millrace.replay({ group: 'nobody', from: 'earliest' })).rejects.toMatchObject({
      code: 'group_unknown',
    })
    await expect(millrace.replay({ group: 'one', from: new Date(2_000), to: new Date(1_000) })).rejects.toMatchObject({
      code: 'replay_invalid',
    })
  })

  it('finishes what runs when it stops, and loses nothing of what waits', async () => {
    const engine = createMemoryEngine()
    const first = start({ engine: memory({ engine }) })
    const seen: number[] = []
    let release: () => void = () => {}
    const gate = new Promise<void>((resolve) => (release = resolve))
    await first.subscribe(OrderPlaced, async ({ data }) => {
      await gate
      seen.push(data.n)
    }, { group: 'work', concurrency: 2 }) // prettier-ignore
    for (let n = 0; n < 10; n += 1) await first.publish(OrderPlaced, { orderId: `k${n}`, n })
    await until(async () => (await first.groups())[0]?.lag === 10)
    const closing = first.close()
    release()
    await closing
    expect(seen).toHaveLength(2)
    const second = start({ engine: memory({ engine }) })
    await second.subscribe(OrderPlaced, ({ data }) => void seen.push(data.n), { group: 'work' })
    await until(() => seen.length === 10)
    expect([...seen].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('hands partitions over to a member that joins, and takes them back when it leaves', async () => {
    const engine = createMemoryEngine()
    const [one, two] = [
      start({ engine: memory({ engine }), leaseMs: 500 }),
      start({ engine: memory({ engine }), leaseMs: 500 }),
    ]
    await one.subscribe(OrderPlaced, () => {}, { group: 'shared' })
    const late = await two.subscribe(OrderPlaced, () => {}, { group: 'shared' })
    await until(async () => (await one.groups())[0]?.members.every(({ partitions }) => partitions === 8) ?? false)
    await late.stop()
    await until(async () => (await one.groups())[0]?.members.map(({ partitions }) => partitions).join() === '16')
  })

  it('lets go of its partitions to a member whose filter has more', async () => {
    const engine = createMemoryEngine()
    const [before, after] = [
      start({ engine: memory({ engine }), leaseMs: 500 }),
      start({ engine: memory({ engine }), leaseMs: 500 }),
    ]
    await before.subscribe(OrderPlaced, () => {}, { group: 'rolling' })
    await after.subscribe([OrderPlaced, OrderPaid], () => {}, { group: 'rolling' })
    await until(async () => (await after.groups())[0]?.members.map(({ partitions }) => partitions).sort().join() === '0,16') // prettier-ignore
    expect((await after.groups())[0]?.filter).toEqual(['order.paid', 'order.placed'])
  })

  it('refuses options that contradict one another, and a group twice', async () => {
    const millrace = start()
    const invalid = [
      { group: 'a b' },
      { group: 'g', concurrency: 0 },
      { group: 'g', timeout: -1 },
      { group: 'g', retry: { attempts: 0 } },
      { group: 'g', ordering: 'none', onDeadLetter: 'park-key' },
      { group: 'g', ordering: 'topic' },
    ] as const
    for (const options of invalid) {
      await expect(millrace.subscribe(OrderPlaced, () => {}, options)).rejects.toBeInstanceOf(MillraceError)
    }
    await millrace.subscribe(OrderPlaced, () => {}, { group: 'g' })
    await expect(millrace.subscribe(OrderPlaced, () => {}, { group: 'g' })).rejects.toMatchObject({
      code: 'group_mismatch',
    })
  })

  it('listens to a pattern, also in topics that come later', async () => {
    const millrace = start()
    const seen: string[] = []
    await millrace.subscribe('**', ({ type }) => void seen.push(type), { group: 'audit' })
    await millrace.publish(QuoteReady, { price: 1 })
    await millrace.publish(OrderPlaced, { orderId: 'a' })
    await until(() => seen.length === 2)
    expect(seen.sort()).toEqual(['order.placed', 'quote.ready'])
  })
})

describe('patterns over every topic', () => {
  it('begin where they are told to in topics that exist', async () => {
    const millrace = start()
    await millrace.publish(OrderPlaced, { orderId: 'before' })
    const seen: string[] = []
    await millrace.subscribe('**', ({ type }) => void seen.push(type), { group: 'history', from: 'earliest' })
    await until(() => seen.length === 1)
  })
})

describe('asking and waiting', () => {
  it('resolves a request with the reply of its flow, however fast', async () => {
    const millrace = start()
    await millrace.subscribe(
      QuoteAsked,
      async ({ data }) => void (await millrace.publish(QuoteReady, { price: data.text.length })),
      { group: 'quotes' },
    )
    const answers = await Promise.all(
      ['a', 'bb', 'ccc'].map((text) => millrace.request(QuoteAsked, { text }, { reply: QuoteReady, timeout: 60_000 })),
    )
    expect(answers.map(({ data }) => data.price)).toEqual([1, 2, 3])
    expectTypeOf(answers[0]?.data).toEqualTypeOf<{ price: number } | undefined>()
  })

  it('does not miss what came between the publish and the wait', async () => {
    const millrace = start()
    const asked = await millrace.publish(QuoteAsked, { text: 'x' })
    await millrace.publish(QuoteReady, { price: 5 }, { correlationId: asked.id })
    const reply = await millrace.waitFor(QuoteReady, { correlationId: asked.id, after: asked.cursor, timeout: 60_000 })
    expect(reply.data.price).toBe(5)
  })

  it('ends with a typed error when nothing comes, and at once on abort', async () => {
    const millrace = start()
    await expect(millrace.waitFor(QuoteReady, { correlationId: 'x', timeout: 20 })).rejects.toMatchObject({
      code: 'wait_timeout',
    })
    const abort = new AbortController()
    const waiting = millrace.waitFor(QuoteReady, { correlationId: 'x', signal: abort.signal })
    abort.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' })
  })
})

describe('reading', () => {
  it('pages through all topics without gap or repetition, in both directions', async () => {
    const millrace = start()
    for (let n = 0; n < 25; n += 1) {
      await millrace.publish(OrderPlaced, { orderId: `k${n}`, n })
      await millrace.publish(QuoteReady, { price: n })
    }
    for (const backwards of [false, true]) {
      const ids: string[] = []
      let after: string | undefined
      for (let page = 0; page < 20; page += 1) {
        const { events, next } = await millrace.read({ limit: 7, backwards, ...(after === undefined ? {} : { after }) })
        ids.push(...events.map(({ id }) => id))
        if (next === undefined || events.length === 0) break
        after = next
      }
      expect(new Set(ids).size).toBe(50)
      expect(ids).toHaveLength(50)
    }
    expect((await millrace.read({ types: ['quote.*'], limit: 100 })).events).toHaveLength(25)
    expect((await millrace.read({ key: 'k3' })).events).toHaveLength(1)
  })

  it('shows what is there beside bytes that are no event', async () => {
    const engine = createMemoryEngine()
    const driver = memory({ engine }).open(systemRuntime())
    await driver.transport.connect()
    await driver.transport.ensureTopic('order')
    const millrace = start({ engine: memory({ engine }) })
    await millrace.publish(OrderPlaced, { orderId: 'a' })
    const plain = {
      topic: 'order',
      partition: 0,
      id: 'x',
      source: '/x',
      type: 'order.placed',
      key: undefined,
      correlationId: undefined,
      body: 'plain text',
    }
    await driver.transport.publish([plain])
    await millrace.publish(OrderPlaced, { orderId: 'b' })
    expect((await millrace.read()).events).toHaveLength(2)
    expect(await millrace.find('x')).toEqual([])
    await driver.transport.close()
  })

  it('follows the log and goes on from a cursor without gap or repetition', async () => {
    const millrace = start()
    await millrace.publish(OrderPlaced, { orderId: 'before' })
    const seen: string[] = []
    let cursor = ''
    const leave = new AbortController()
    const reading = (async () => {
      for await (const chunk of millrace.follow({ types: ['order.*'], signal: leave.signal })) {
        cursor = chunk.cursor
        for (const event of chunk.events) seen.push(String((event.data as { orderId: string }).orderId))
        if (seen.length >= 3) return
      }
    })()
    await until(() => cursor !== '')
    for (const orderId of ['a', 'b', 'c']) await millrace.publish(OrderPlaced, { orderId })
    await reading
    expect(seen).toEqual(['a', 'b', 'c'])
    await millrace.publish(OrderPlaced, { orderId: 'd' })
    for await (const chunk of millrace.follow({ from: { cursor } })) {
      expect(chunk.recovered).toBe(true)
      if (chunk.events.length === 0) continue
      expect(chunk.events.map((event) => (event.data as { orderId: string }).orderId)).toEqual(['d'])
      break
    }
  })

  it.each([
    '',
    'garbage',
    '-1',
    'W10',
    'x'.repeat(1_000_000),
    'a\r\nb',
    'W1tdLC0x',
    Buffer.from('[[["__proto__",0,"1"]]]').toString('base64url'),
  ])('refuses a cursor that it did not give out (%#)', async (after) => {
    const millrace = start()
    await expect(millrace.read({ after })).rejects.toMatchObject({ code: 'position_invalid' })
  })
})

describe('closing', () => {
  it('is idempotent, safe before start and leaves nothing running', async () => {
    const millrace = start()
    await Promise.all([millrace.close(), millrace.close()])
    await expect(millrace.start()).rejects.toMatchObject({ code: 'closed' })
  })

  it('starts and stops twenty times over one engine without losing an event', async () => {
    const engine = createMemoryEngine()
    const seen = new Set<number>()
    for (let round = 0; round < 20; round += 1) {
      const millrace = start({ engine: memory({ engine }) })
      await millrace.subscribe(OrderPlaced, ({ data }) => void seen.add(data.n), { group: 'rounds' })
      await millrace.publishBatch(
        Array.from({ length: 5 }, (_, at) => OrderPlaced.create({ orderId: `k${at}`, n: round * 5 + at })),
      )
      await millrace.close()
    }
    const last = start({ engine: memory({ engine }) })
    await last.subscribe(OrderPlaced, ({ data }) => void seen.add(data.n), { group: 'rounds' })
    await until(() => seen.size === 100)
  })
})
