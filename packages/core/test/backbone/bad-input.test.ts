import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { sqlite } from '../../../sqlite/src/index.ts'
import { defineEvent, isMillraceError, MillraceError, retry, type StoredEvent } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'
import { until } from '../until.ts'
import { changed } from '../changed-engine.ts'
import { driverOf, engines, scratchFile, start } from './backbones.ts'
import { OrderPlaced } from './order-placed.ts'

// The numbers are the lines of the list of bad input (docs/bad-input.md), here through the whole bus.

const Anything = defineEvent('any.thing', { schema: z.unknown() })
const codes = (results: readonly PromiseSettledResult<unknown>[]): string[] =>
  results.map((result) =>
    result.status === 'fulfilled' ? 'stored' : isMillraceError(result.reason) ? result.reason.code : 'no typed error',
  )

describe.each(engines)('publishing on %s', (_name, engine) => {
  it('1-7: stores nothing of what is not data', async () => {
    const millrace = start({ engine: engine() })
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    const wrong: readonly (readonly [unknown, string])[] = [
      [() => 1, 'event_not_json'],
      [Number.NaN, 'event_not_json'],
      [1n, 'event_not_json'],
      [circle, 'event_not_json'],
      [new Map(), 'event_not_json'],
      ['x'.repeat(256 * 1024), 'limit_exceeded'],
      [JSON.parse('{"a":{"__proto__":1}}'), 'event_forbidden_key'],
      ['\ud800', 'event_not_json'],
    ]
    const results = await Promise.allSettled(wrong.map(([data]) => millrace.publish(Anything, data)))
    expect(codes(results)).toEqual(wrong.map(([, code]) => code))
    expect((await millrace.read()).events).toEqual([])
  })

  it('11, 17: one bad event of a batch spoils no other, and an id that is there twice is told apart', async () => {
    const millrace = start({ engine: engine() })
    const one = OrderPlaced.create({ orderId: 'a' }, { id: 'one', source: '/s' })
    const results = await millrace.publishBatch([
      one,
      one,
      { ...one, data: { orderId: 'a', n: 9 } },
      { ...one, id: 'large', data: { orderId: 'x'.repeat(300_000), n: 0 } },
      { ...one, id: 'two' },
    ])
    expect(results.map((result) => ('error' in result ? result.error.code : result.outcome))).toEqual([
      'stored',
      'stored',
      'event_conflict',
      'limit_exceeded',
      'stored',
    ])
    expect(results[1]).toMatchObject({ duplicate: true })
    expect((await millrace.read()).events.map(({ id }) => id)).toEqual(['one', 'two'])
    const million = Array.from({ length: 1_000_000 }, () => one)
    await expect(millrace.publishBatch(million)).rejects.toMatchObject({ code: 'limit_exceeded' })
  })

  it('23: while it closes, each publish is stored or refused as closed, and what was stored is there', async () => {
    const shared = engine()
    const closing = start({ engine: shared })
    await closing.publish(OrderPlaced, { orderId: 'before' })
    const publishes: Promise<unknown>[] = []
    const publish = (n: number): void => void publishes.push(closing.publish(OrderPlaced, { orderId: 'a', n }))
    for (let n = 0; n < 50; n += 1) publish(n)
    const closed = closing.close()
    for (let n = 50; n < 100; n += 1) publish(n)
    const results = await Promise.allSettled(publishes)
    await closed
    results.push(...(await Promise.allSettled([closing.publish(OrderPlaced, { orderId: 'after' })])))
    expect(new Set(codes(results))).toEqual(new Set(['stored', 'closed']))
    expect(codes(results).slice(0, 50)).toEqual(Array(50).fill('stored'))
    expect(codes(results).at(-1)).toBe('closed')
    const stored = results.filter((result) => result.status === 'fulfilled')
    const reader = start({ engine: shared })
    expect((await reader.read({ limit: 1_000 })).events).toHaveLength(1 + stored.length)
  })

  it('26: a batch that is aborted between the store and the reply is unknown, and stored once when sent again', async () => {
    const abort = new AbortController()
    const millrace = start({
      engine: changed(engine(), ({ transport }) => ({
        transport: {
          async publish(records) {
            const outcomes = await transport.publish(records)
            if (abort.signal.aborted) return outcomes
            abort.abort()
            return records.map(() => ({ outcome: 'unknown' as const, error: new Error('The reply was lost.') }))
          },
        },
      })),
    })
    const event = OrderPlaced.create({ orderId: 'a' })
    const [result] = await millrace.publishBatch([event], { signal: abort.signal })
    expect(result).toMatchObject({ outcome: 'unknown', error: { code: 'publish_unknown', retriable: true } })
    expect(await millrace.publish(event)).toMatchObject({ outcome: 'stored', duplicate: true })
    expect((await millrace.read()).events).toHaveLength(1)
  })

  it('61: the limits are those of the product and not of the engine', async () => {
    const millrace = start({ engine: engine() })
    await expect(millrace.publish(Anything, '😀'.repeat(64 * 1024))).rejects.toMatchObject({
      code: 'limit_exceeded',
      facts: { limit: 256 * 1024 },
    })
    expect((await millrace.read()).events).toEqual([])
  })
})

it('61: what an engine of smaller limits refuses has the same code', async () => {
  const millrace = start({ engine: sqlite({ path: scratchFile(), maxBytes: 2_000 }) })
  await expect(millrace.publish(Anything, 'x'.repeat(3_000))).rejects.toMatchObject({ code: 'limit_exceeded' })
  expect((await millrace.read()).events).toEqual([])
})

it('23: a hundred thousand publishes while the engine is down are bounded, and none is said to be lost', async () => {
  let down = false
  const millrace = start({
    maxPending: 1_000,
    publishTimeoutMs: 3_000,
    engine: changed(memory(), ({ transport }) => ({
      transport: {
        publish: async (records) =>
          down
            ? records.map(() => ({
                outcome: 'unknown' as const,
                error: new MillraceError('engine_unreachable', 'The engine is away.', { retriable: true }),
              }))
            : transport.publish(records),
      },
    })),
  })
  await millrace.publish(Anything, 'the topic is known')
  down = true
  const results = await Promise.allSettled(Array.from({ length: 100_000 }, (_, n) => millrace.publish(Anything, n)))
  const counts = Object.groupBy(codes(results), (code) => code)
  expect(counts['publish_unknown']).toHaveLength(1_000)
  expect(counts['publish_backpressure']).toHaveLength(99_000)
  expect(results.every(({ status, ...rest }) => status === 'rejected' && 'reason' in rest && rest.reason.retriable)).toBe(true) // prettier-ignore
  down = false
  expect(await millrace.publish(Anything, 'again')).toMatchObject({ outcome: 'stored' })
})

describe.each(engines)('handling on %s', (_name, engine) => {
  it('14: a retry after a time that is none fails the attempt, and a very long one waits', async () => {
    const millrace = start({ engine: engine() })
    const wished = [-1, Number.NaN, 2 ** 31, 100 * 365 * 86_400_000]
    const attempts: Record<string, number> = {}
    await millrace.subscribe(OrderPlaced, ({ data }, { attempt }) => {
      attempts[data.orderId] = attempt
      return attempt === 1 ? retry({ after: wished[data.n] ?? 0 }) : undefined
    }, { group: 'wishes' }) // prettier-ignore
    for (const n of wished.keys()) await millrace.publish(OrderPlaced, { orderId: `k${n}`, n })
    await until(
      async () => attempts['k0'] === 2 && attempts['k1'] === 2 && (await millrace.groups())[0]?.lane.waiting === 2,
    )
    expect(attempts).toEqual({ k0: 2, k1: 2, k2: 1, k3: 1 })
    expect((await millrace.groups())[0]?.lane).toMatchObject({ waiting: 2, due: 0 })
  })

  it('10: a key with a great many events is handled in order, and the others beside it', async () => {
    const millrace = start({ engine: engine() })
    const hot: number[] = []
    let others = 0
    await millrace.subscribe(OrderPlaced, async ({ data }) => {
      if (data.orderId === 'hot') await Promise.resolve(hot.push(data.n))
      else others += 1
    }, { group: 'hot', readAhead: 500 }) // prettier-ignore
    for (let from = 0; from < 5_000; from += 1_000)
      await millrace.publishBatch(
        Array.from({ length: 1_000 }, (_, at) => OrderPlaced.create({ orderId: 'hot', n: from + at })),
      )
    await millrace.publishBatch(Array.from({ length: 100 }, (_, n) => OrderPlaced.create({ orderId: `k${n}`, n })))
    await until(() => hot.length === 5_000 && others === 100)
    expect(hot).toEqual(Array.from({ length: 5_000 }, (_, n) => n))
  })

  it('27: an error of ten megabytes with a circular cause is kept in short, and the key goes on', async () => {
    const millrace = start({ engine: engine() })
    const seen: number[] = []
    await millrace.subscribe(OrderPlaced, ({ data }) => {
      if (data.n !== 1) return void seen.push(data.n)
      const error = new Error('m'.repeat(10_000_000))
      error.cause = error
      error.stack = 's'.repeat(10_000_000)
      throw error
    }, { group: 'large', retry: { attempts: 1 } }) // prettier-ignore
    for (const n of [1, 2]) await millrace.publish(OrderPlaced, { orderId: 'a', n })
    await until(() => seen.length === 1)
    const [letter] = await millrace.deadLetters.list()
    expect(letter?.error.message).toMatch(/^m{4096}… \(10000000 characters\)$/)
    expect(letter?.error.stack?.length).toBeLessThan(17_000)
  })

  it('28: what settles twice, or after its time was up, counts once', async () => {
    const millrace = start({ engine: engine() })
    let late: () => void = () => {}
    const attempts: number[] = []
    await millrace.subscribe(OrderPlaced, ({ data }, { attempt }) => {
      attempts.push(data.n * 10 + attempt)
      if (data.n === 1 && attempt === 1) return new Promise((resolve) => (late = () => resolve()))
      late()
      if (data.n !== 2) return undefined
      return Object.fromEntries(['then'].map((name) => [name, settlesTwice])) as unknown as Promise<void>
    }, { group: 'twice', timeout: 100, retry: { backoff: { first: 1 } } }) // prettier-ignore
    for (const n of [1, 2, 3]) await millrace.publish(OrderPlaced, { orderId: 'a', n })
    await until(async () => attempts.length === 4 && (await millrace.groups())[0]?.lag === 0)
    expect(attempts).toEqual([11, 12, 21, 31])
    expect(await millrace.deadLetters.list()).toEqual([])
  })

  it('29: a handler that blocks the event loop for longer than a lease loses nothing', async () => {
    const millrace = start({ engine: engine(), leaseMs: 200 })
    const seen: number[] = []
    await millrace.subscribe(OrderPlaced, ({ data }) => {
      const end = performance.now() + (data.n === 0 ? 700 : 0)
      while (performance.now() < end);
      seen.push(data.n)
    }, { group: 'blocks' }) // prettier-ignore
    for (let n = 0; n < 10; n += 1) await millrace.publish(OrderPlaced, { orderId: 'a', n })
    await until(async () => (await millrace.groups())[0]?.lag === 0 && new Set(seen).size === 10)
    expect(await millrace.deadLetters.list()).toEqual([])
  })

  it('16, 31: options and names that cannot be are refused, and make no group', async () => {
    const millrace = start({ engine: engine() })
    const options = [
      { concurrency: Number.NaN },
      { concurrency: 1.5 },
      { timeout: -1 },
      { timeout: 2 ** 31 },
      { readAhead: 0 },
      { laneCapacity: Number.POSITIVE_INFINITY },
      { retry: { attempts: 0 } },
      { retry: { retryIf: 'never' as never } },
      { retry: { retryIf: (async () => false) as never } },
      { retry: { attempts: Number.POSITIVE_INFINITY } },
      { retry: { backoff: { first: -1 } } },
      { retry: { backoff: { factor: 0.5 } } },
      { ordering: 'random' as 'key' },
      { onDeadLetter: 'drop' as 'continue' },
      { from: new Date(Number.NaN) },
    ]
    for (const given of options) {
      await expect(millrace.subscribe(OrderPlaced, () => {}, { group: 'g', ...given })).rejects.toMatchObject({
        code: 'subscription_invalid',
        path: expect.any(String),
      })
    }
    await expect(millrace.subscribe([], () => {}, { group: 'g' })).rejects.toMatchObject({
      code: 'subscription_invalid',
    })
    const names = ['', ' ', 'a b', '../x', '__proto__', "x'; drop table groups; --", 'a\nb', 'A', 'x'.repeat(201), 'a:']
    for (const group of names)
      await expect(millrace.subscribe(OrderPlaced, () => {}, { group })).rejects.toMatchObject({
        code: 'event_name_invalid',
      })
    expect(await millrace.groups()).toEqual([])
  })

  it('31: a group under a new name is a new group; the old one keeps its place', async () => {
    const millrace = start({ engine: engine() })
    const seen: string[] = []
    const old = await millrace.subscribe(OrderPlaced, () => void seen.push('old'), { group: 'mail' })
    await millrace.publish(OrderPlaced, { orderId: 'a' })
    await until(() => seen.length === 1)
    await old.stop()
    await millrace.publish(OrderPlaced, { orderId: 'b' })
    await millrace.subscribe(OrderPlaced, () => void seen.push('new'), { group: 'mail-2', from: 'earliest' })
    await until(() => seen.length === 3)
    expect(seen).toEqual(['old', 'new', 'new'])
    const lags = (await millrace.groups()).map(({ group, lag }) => [group, lag])
    expect(lags).toContainEqual(['mail', 1])
  })
})

describe('29: a handler that ends its process', () => {
  it.each(['throws in a timer', 'rejects without await', 'exits'])('%s', async (how) => {
    const file = scratchFile()
    const publisher = start({ engine: sqlite(file) })
    const driver = await driverOf(sqlite(file))
    await driver.transport.ensureTopic('order', { partitions: 2 })
    for (let n = 0; n < 6; n += 1) await publisher.publish(OrderPlaced, { orderId: `k${n}`, n })
    const handled = new Set<string>()
    let deaths = 0
    for (let code: number | null = 1; code !== 0 && deaths < 6; deaths += code === 0 ? 0 : 1) {
      code = await runWorker(file, how, handled)
    }
    expect(deaths).toBe(3)
    const [letter, ...others] = await publisher.deadLetters.list()
    expect(others).toEqual([])
    expect(letter).toMatchObject({ error: { code: 'handler_killed_process' }, event: { data: { n: 2 } } })
    expect([...handled].sort()).toEqual(['0', '1', '3', '4', '5'])
  })
})

it('60: an event of a newer version waits among the dead letters for the newer reader', async () => {
  const engine = memory()
  const Newer = defineEvent('order.placed', {
    version: 2,
    schema: z.object({ orderId: z.string(), currency: z.string() }),
    earlier: { 1: { schema: z.object({ orderId: z.string() }), up: (v1) => ({ ...v1, currency: 'EUR' }) } },
  })
  const [before, after] = [start({ engine }), start({ engine })]
  const first = await before.subscribe(OrderPlaced, () => {}, { group: 'bills' })
  await after.publish(Newer, { orderId: 'a', currency: 'SEK' })
  await until(async () => (await before.deadLetters.list()).length === 1)
  expect((await before.deadLetters.list())[0]?.error.code).toBe('event_unknown_version')
  await first.stop()
  const seen: StoredEvent[] = []
  await after.subscribe(Newer, (event) => void seen.push(event as StoredEvent), { group: 'bills' })
  await after.deadLetters.requeue({ group: 'bills' })
  await until(() => seen.length === 1)
  expect(seen[0]?.data).toEqual({ orderId: 'a', currency: 'SEK' })
})

/** The `then` of a promise that breaks its rules. */
function settlesTwice(
  resolve?: ((value: never) => unknown) | null,
  refuse?: ((error: unknown) => unknown) | null,
): never {
  resolve?.(undefined as never)
  refuse?.(new Error('after the end'))
  resolve?.(undefined as never)
  return undefined as never
}

/** Runs a process that handles what is there; resolves with its exit code. */
function runWorker(file: string, how: string, handled: Set<string>): Promise<number | null> {
  const program = fileURLToPath(new URL('deadly-worker.ts', import.meta.url))
  const flags = ['--conditions=millrace-source', '--disable-warning=ExperimentalWarning']
  const child = spawn(process.execPath, [...flags, program, file, how], { stdio: ['ignore', 'pipe', 'ignore'] })
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.trim().split('\n')) handled.add(line)
  })
  return new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
}
