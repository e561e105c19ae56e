import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Engine } from '../../src/driver.ts'
import { defineEvent, isMillraceError, MillraceError, reject, type Millrace } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'
import { until } from '../until.ts'
import { changed } from '../changed-engine.ts'
import { driverOf, engines, listening, scratchFile, start } from './backbones.ts'
import { OrderPlaced } from './order-placed.ts'
import { sqlite } from '../../../sqlite/src/index.ts'

// The numbers are the lines of the list of bad input (docs/bad-input.md): dead letters, replay, and what others stored.

interface Failing {
  readonly millrace: Millrace
  readonly handled: { readonly orderId: string; readonly n: number; readonly generation: number }[]
  repair(): void
}

/** A group whose handler rejects events with `n` of 1 and more until it is repaired. */
async function failing(engine: Engine, amount: number): Promise<Failing> {
  const millrace = start({ engine })
  const handled: Failing['handled'] = []
  let broken = true
  await millrace.subscribe(OrderPlaced, ({ data }, { generation }) => {
    if (broken && data.n > 0) return reject('not now')
    handled.push({ orderId: data.orderId, n: data.n, generation })
    return undefined
  }, { group: 'billing' }) // prettier-ignore
  for (let n = 1; n <= amount; n += 1) await millrace.publish(OrderPlaced, { orderId: `k${n}`, n })
  await until(async () => (await millrace.deadLetters.list()).length === amount)
  return { millrace, handled, repair: () => void (broken = false) }
}

async function firstLetter(millrace: Millrace): Promise<string> {
  return (await millrace.deadLetters.list())[0]?.id ?? ''
}

describe.each(engines)('dead letters on %s', (_name, engine) => {
  it('62: one that is requeued twice, also at once, is handled once', async () => {
    const { millrace, handled, repair } = await failing(engine(), 1)
    repair()
    const id = await firstLetter(millrace)
    const answers = await Promise.all([1, 2, 3].map(() => millrace.deadLetters.requeue([id, id])))
    expect(answers.flatMap(({ ids }) => ids)).toEqual([id])
    await until(async () => handled.length > 0 && (await millrace.groups())[0]?.lane.waiting === 0)
    expect(handled).toHaveLength(1)
    expect((await millrace.deadLetters.requeue([id, 'never-there', ''])).ids).toEqual([])
    await expect(millrace.deadLetters.get(id)).rejects.toMatchObject({ code: 'dead_letter_unknown' })
  })

  it('62: of an edit and a requeue at once, one wins and the other is told', async () => {
    const { millrace, handled, repair } = await failing(engine(), 1)
    repair()
    const id = await firstLetter(millrace)
    const [edited, requeued] = await Promise.allSettled([
      millrace.deadLetters.edit(id, { orderId: 'edited', n: 5 }),
      millrace.deadLetters.requeue([id]),
    ])
    const won = [edited.status === 'fulfilled', requeued.status === 'fulfilled' && requeued.value.ids.length === 1]
    expect(won.filter(Boolean)).toHaveLength(1)
    if (edited.status === 'rejected')
      expect(['dead_letter_changed', 'dead_letter_unknown']).toContain(edited.reason.code)
    await until(async () => handled.length > 0 && (await millrace.groups())[0]?.lane.waiting === 0)
    expect(handled).toHaveLength(1)
    await expect(millrace.deadLetters.edit(id, { orderId: 'late' })).rejects.toMatchObject({
      code: 'dead_letter_unknown',
    })
  })

  it('62: one that is discarded in the meantime is not requeued', async () => {
    const { millrace, handled, repair } = await failing(engine(), 2)
    repair()
    const id = await firstLetter(millrace)
    expect((await millrace.deadLetters.discard([id])).ids).toEqual([id])
    expect((await millrace.deadLetters.requeue([id])).ids).toEqual([])
    expect((await millrace.deadLetters.requeue({ group: 'nobody' })).ids).toEqual([])
    await millrace.deadLetters.requeue({ group: 'billing' })
    await until(() => handled.length === 1)
    expect((await millrace.groups())[0]).toMatchObject({ lag: 0, deadLetters: 0 })
  })

  it('62: those of a group that was removed are gone with it', async () => {
    const shared = engine()
    const { millrace } = await failing(shared, 2)
    const id = await firstLetter(millrace)
    await millrace.close()
    const operator = start({ engine: shared })
    expect(await operator.deadLetters.list()).toHaveLength(2)
    await (await driverOf(shared)).transport.remove({ group: 'billing' }) // prettier-ignore
    expect((await operator.deadLetters.requeue([id])).ids).toEqual([])
    await expect(operator.deadLetters.edit(id, { orderId: 'a' })).rejects.toMatchObject({ code: 'dead_letter_unknown' })
    expect([await operator.deadLetters.list(), await operator.groups()]).toEqual([[], []])
  })

  it('63: an edit that the definition does not allow changes nothing', async () => {
    const { millrace } = await failing(engine(), 1)
    const id = await firstLetter(millrace)
    const wrong: readonly (readonly [unknown, string])[] = [
      [undefined, 'event_schema_violation'],
      [null, 'event_schema_violation'],
      [{ orderId: 7 }, 'event_schema_violation'],
      [{ orderId: 'a', n: Number.NaN }, 'event_schema_violation'],
      [{ orderId: '\ud800' }, 'event_not_json'],
      [{ orderId: 'x'.repeat(300_000) }, 'limit_exceeded'],
    ]
    for (const [data, code] of wrong) await expect(millrace.deadLetters.edit(id, data)).rejects.toMatchObject({ code })
    expect((await millrace.deadLetters.get(id)).event?.data).toEqual({ orderId: 'k1', n: 1 })
  })

  it('63: a key that poisons prototypes is refused in an edit', async () => {
    const Loose = defineEvent('loose.thing', { schema: z.unknown() })
    const millrace = start({ engine: engine() })
    await millrace.subscribe(Loose, () => reject('no'), { group: 'loose' })
    await millrace.publish(Loose, { a: 1 })
    await until(async () => (await millrace.deadLetters.list()).length === 1)
    await expect(
      millrace.deadLetters.edit(await firstLetter(millrace), JSON.parse('{"a":{"__proto__":{"admin":true}}}')),
    ).rejects.toMatchObject({ code: 'event_forbidden_key' })
  })

  it('63: a requeue of all that fail again ends, and they are dead letters again', async () => {
    const { millrace } = await failing(engine(), 20)
    const before = (await millrace.deadLetters.list()).map(({ eventId }) => eventId).toSorted()
    expect((await millrace.deadLetters.requeue('all')).ids).toHaveLength(20)
    await until(async () => (await millrace.deadLetters.list()).length === 20)
    expect((await millrace.deadLetters.list()).map(({ eventId }) => eventId).toSorted()).toEqual(before)
  })

  it('64: whatever an error says is kept as it is, and is in no log line, nor is what the event holds', async () => {
    const { runtime, lines } = listening()
    const millrace = start({ engine: engine(), runtime })
    const nasty = '<img src=x onerror=alert(1)>\u001b[31m\nforged line\r\u202epassword=hunter2'
    await millrace.subscribe(OrderPlaced, () => {
      throw Object.assign(new Error(nasty), { stack: `Error: ${nasty}\n    at place (file.ts:1:1)` })
    }, { group: 'logs', retry: { attempts: 2, backoff: { first: 1 } } }) // prettier-ignore
    await millrace.publish(OrderPlaced, { orderId: 'payload-secret' })
    await until(async () => (await millrace.deadLetters.list()).length === 1)
    const [letter] = await millrace.deadLetters.list()
    expect(letter?.error.message).toBe(nasty)
    await millrace.deadLetters.edit(letter?.id ?? '', { orderId: 'payload-secret' }, { by: 'ann' })
    await millrace.close()
    expect(lines.length).toBeGreaterThan(0)
    expect(lines.join('\n')).not.toMatch(/hunter2|forged|onerror|payload-secret/)
  })

  it('65: a replay of the past does not disturb what comes meanwhile', async () => {
    const { millrace, handled, repair } = await failing(engine(), 0)
    repair()
    for (let n = 0; n < 40; n += 1) await millrace.publish(OrderPlaced, { orderId: `k${n % 4}`, n })
    await until(() => handled.length === 40)
    const replaying = millrace.replay({ group: 'billing', from: 'earliest' })
    for (let n = 40; n < 80; n += 1) await millrace.publish(OrderPlaced, { orderId: `k${n % 4}`, n })
    const { replayed } = await replaying
    expect(replayed).toBeGreaterThanOrEqual(40)
    await until(() => handled.length === 80 + replayed)
    const again = handled.filter(({ generation }) => generation > 0)
    for (const seen of [handled.filter(({ generation }) => generation === 0), again]) {
      expect(new Set(seen.map(({ n }) => n)).size).toBe(seen.length)
      for (const key of ['k0', 'k1', 'k2', 'k3']) {
        const order = seen.filter(({ orderId }) => orderId === key).map(({ n }) => n)
        expect(order).toEqual(order.toSorted((a, b) => a - b))
      }
    }
    expect(again.filter(({ n }) => n < 40)).toHaveLength(40)
  })

  it('65: a replay that begins before what retention has kept gives what is kept', async () => {
    const millrace = start({
      engine: engine(),
      topics: { order: { partitions: 1, retention: { maxEvents: 5, whenUnread: 'expire' } } },
    })
    const seen: number[] = []
    const first = await millrace.publish(OrderPlaced, { orderId: 'a', n: 0 })
    const { next } = await millrace.read({ limit: 1 })
    const subscription = await millrace.subscribe(OrderPlaced, ({ data }, { generation }) => {
      if (generation > 0) seen.push(data.n)
    }, { group: 'late' }) // prettier-ignore
    for (let n = 1; n <= 30; n += 1) await millrace.publish(OrderPlaced, { orderId: 'a', n })
    await until(async () => ((await millrace.topics())[0]?.held ?? 99) <= 5 && (await millrace.groups())[0]?.lag === 0)
    const held = (await millrace.read()).events.map(({ data }) => (data as { n: number }).n)
    expect(held).not.toContain(0)
    for (const from of ['earliest', { cursor: next ?? '' }, { cursor: first.cursor }] as const) {
      seen.length = 0
      expect((await millrace.replay({ group: 'late', from })).matched).toBe(held.length)
      await until(() => seen.length === held.length)
      expect(seen).toEqual(held)
    }
    await subscription.stop()
  })

  it('65: what no replay can mean is refused', async () => {
    const { millrace } = await failing(engine(), 0)
    const wrong = [
      [{ group: 'nobody', from: 'earliest' }, 'group_unknown'],
      [{ group: 'billing', from: { cursor: 'garbage' } }, 'position_invalid'],
      [{ group: 'billing', from: new Date(Number.NaN) }, 'replay_invalid'],
      [{ group: 'billing', from: 'earliest', to: new Date(Number.NaN) }, 'replay_invalid'],
      [{ group: 'billing', from: new Date(2_000), to: new Date(1_000) }, 'replay_invalid'],
      [{ group: 'billing', from: new Date(Date.now() + 60_000) }, 'replay_invalid'],
      [{ group: 'billing', from: 'earliest', rate: 0 }, 'replay_invalid'],
      [{ group: 'billing', from: 'earliest', rate: Number.NaN }, 'replay_invalid'],
      [{ group: 'billing', from: 'earliest', topics: ['nowhere'] }, 'topic_unknown'],
    ] as const
    for (const [options, code] of wrong) await expect(millrace.replay(options)).rejects.toMatchObject({ code })
  })

  it('66: while its dead letter cannot be written, an event is not settled', async () => {
    let full = true
    let refused = 0
    const errors: unknown[] = []
    const millrace = start({
      onError: (error) => void errors.push(error),
      engine: changed(engine(), ({ stores }) => ({
        deadLetters: {
          async put(...call) {
            if (!full) return stores.deadLetters.put(...call)
            refused += 1
            throw new MillraceError('engine_full', 'The engine has no room left.', { retriable: true })
          },
        },
      })),
    })
    const seen: number[] = []
    await millrace.subscribe(OrderPlaced, ({ data }) => {
      if (data.n === 1) return reject('never')
      seen.push(data.n)
      return undefined
    }, { group: 'full' }) // prettier-ignore
    for (const n of [1, 2]) await millrace.publish(OrderPlaced, { orderId: 'a', n })
    await millrace.publish(OrderPlaced, { orderId: 'b', n: 3 })
    await until(async () => refused >= 3 && (await millrace.groups())[0]?.lag === 2)
    expect(seen).toEqual([3])
    expect(errors.map((error) => isMillraceError(error, 'engine_full'))).toEqual([true])
    full = false
    await until(async () => (await millrace.groups())[0]?.lag === 0)
    expect(seen).toEqual([3, 2])
    expect(await millrace.deadLetters.list()).toHaveLength(1)
  })

  it.each([
    ['no JSON', 'hello from another program', 'event_malformed'],
    ['JSON of another shape', '{"orderId":"a","n":1}', 'event_malformed'],
    ['null', 'null', 'event_malformed'],
    ['a list', '[]', 'event_malformed'],
    ['nothing', '', 'event_malformed'],
    ['truncated', '{"specversion":"1.0","id":"x","source":"/s","ty', 'event_malformed'],
    ['another specversion', cloudEvent({ specversion: '0.3' }), 'event_malformed'],
    ['no id', cloudEvent({ id: undefined }), 'event_malformed'],
    ['no source', cloudEvent({ source: undefined }), 'event_malformed'],
    ['a type that is no text', cloudEvent({ type: 7 }), 'event_malformed'],
    ['a version that is none', cloudEvent({ dataschema: 'millrace:order.placed/latest' }), 'event_malformed'],
    ['a newer version', cloudEvent({ dataschema: 'millrace:order.placed/9' }), 'event_unknown_version'],
    ['data twice', cloudEvent({ data_base64: 'AAAA' }), 'event_malformed'],
    ['base64 that is none', cloudEvent({ data: undefined, data_base64: '!' }), 'event_malformed'],
  ])(
    '76: a stored body that is %s goes to the dead letters as it is, and the group goes on',
    async (_title, body, code) => {
      const shared = engine()
      const millrace = start({ engine: shared })
      const seen: number[] = []
      await millrace.subscribe(OrderPlaced, ({ data }) => void seen.push(data.n), { group: 'reads' })
      const driver = await driverOf(shared)
      const { partition } = await millrace.publish(OrderPlaced, { orderId: 'a', n: 1 })
      const [outcome] = await driver.transport.publish([
        { topic: 'order', partition, id: 'foreign', source: '/other', type: 'order.placed', key: 'a', correlationId: undefined, body }, // prettier-ignore
      ])
      expect(outcome?.outcome).toBe('stored')
      await millrace.publish(OrderPlaced, { orderId: 'a', n: 2 })
      await until(async () => (await millrace.groups())[0]?.lag === 0)
      expect(seen).toEqual([1, 2])
      const [letter, ...others] = await millrace.deadLetters.list()
      expect(others).toEqual([])
      expect(letter).toMatchObject({ body, eventId: 'foreign', attempts: 1, error: { code } })
      await expect(millrace.deadLetters.edit(letter?.id ?? '', { orderId: 7 })).rejects.toBeInstanceOf(MillraceError)
    },
  )
})

it('66: a process that ends before the dead letter is written leaves the event to the next', async () => {
  const engine = memory()
  const refusing = changed(engine, () => ({
    deadLetters: { put: () => Promise.reject(new MillraceError('engine_full', 'Full.', { retriable: true })) },
  }))
  const first = start({ engine: refusing })
  let asked = 0
  await first.subscribe(OrderPlaced, () => (asked++, reject('never')), { group: 'full' })
  await first.publish(OrderPlaced, { orderId: 'a' })
  await until(() => asked === 1)
  await first.close({ timeoutMs: 100 })
  const second = start({ engine })
  await second.subscribe(OrderPlaced, () => reject('never'), { group: 'full' })
  await until(async () => (await second.deadLetters.list()).length === 1)
})

it('66: letters that a file has no room for are written when there is room', async () => {
  const file = scratchFile()
  const small = start({ engine: sqlite({ path: file, maxPages: 200 }), topics: { order: { partitions: 1 } } })
  let broken = true
  const seen: number[] = []
  await small.subscribe(OrderPlaced, ({ data }) => {
    if (broken) return reject('x'.repeat(4_000))
    seen.push(data.n)
    return undefined
  }, { group: 'full' }) // prettier-ignore
  const stored: string[] = []
  for (let n = 0; n < 200; n += 1) {
    const [result] = await small.publishBatch([OrderPlaced.create({ orderId: 'x'.repeat(200), n })])
    if (result?.outcome === 'stored') stored.push(result.id)
    else expect(result).toMatchObject({ outcome: 'rejected', error: { code: 'engine_full' } })
  }
  expect(stored.length).toBeLessThan(200)
  await small.close({ timeoutMs: 100 })
  broken = false
  const roomy = start({ engine: sqlite(file) })
  await roomy.subscribe(OrderPlaced, ({ data }) => void seen.push(data.n), { group: 'full' })
  await roomy.deadLetters.requeue({ group: 'full' })
  await until(async () => new Set(seen).size === stored.length)
})

function cloudEvent(change: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({
    specversion: '1.0',
    id: 'foreign',
    source: '/other',
    type: 'order.placed',
    dataschema: 'millrace:order.placed/1',
    data: { orderId: 'a', n: 9 },
    ...change,
  })
}
