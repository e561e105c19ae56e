import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent, reject } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'
import { until } from '../until.ts'
import { changed } from '../changed-engine.ts'
import { driverOf, engines, start } from './backbones.ts'
import { OrderPlaced } from './order-placed.ts'

it.each([new Error('no'), undefined, 7, { toString: () => 'x' }])('reject(%s) is a dead letter', async (reason) => {
  const millrace = start()
  await millrace.subscribe(OrderPlaced, async () => reject(reason as never), { group: 'g' })
  await millrace.publish(OrderPlaced, { orderId: 'a' })
  await until(async () => (await millrace.deadLetters.list())[0]?.error.code === 'handler_rejected')
})

it('an error whose message is no text is a dead letter', async () => {
  const millrace = start()
  await millrace.subscribe(OrderPlaced, async () => { throw Object.assign(new Error('x'), { message: ['a'] }) }, { group: 'g', retry: { attempts: 1 } }) // prettier-ignore
  await millrace.publish(OrderPlaced, { orderId: 'a' })
  await until(async () => (await millrace.deadLetters.list()).length === 1)
})

it('of two subscriptions of a group at once, one is refused', async () => {
  const millrace = start()
  const both = await Promise.allSettled([1, 2].map(() => millrace.subscribe(OrderPlaced, () => {}, { group: 'g' })))
  expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
})

it('publishes before the topic is known are bounded and end in time', async () => {
  const engine = changed(memory(), () => ({ transport: { connect: () => new Promise(() => {}) } }))
  const millrace = start({ engine, maxPending: 10, publishTimeoutMs: 100 })
  let settled = 0
  for (let n = 0; n < 50; n += 1) void millrace.publish(OrderPlaced, { orderId: 'a' }).catch(() => (settled += 1))
  await until(() => settled === 50)
})

it.each(engines)('a topic may be called constructor on %s', async (_name, engine) => {
  const Called = defineEvent('constructor.called', { schema: z.object({ a: z.number() }) })
  const millrace = start({ engine: engine() })
  const seen: number[] = []
  await millrace.subscribe(Called, ({ data }) => void seen.push(data.a), { group: 'g' })
  const { cursor } = await millrace.publish(Called, { a: 1 })
  await until(() => seen.length === 1)
  expect((await millrace.read({ after: cursor })).events).toHaveLength(1)
  expect(await millrace.replay({ group: 'g', from: { cursor } })).toMatchObject({ replayed: 1 })
})

it.each(['order.pl*', '', 'order..x', '**.x', 'ORDER.*x'])('the pattern "%s" is refused', async (pattern) => {
  const millrace = start()
  await expect(millrace.subscribe(pattern, () => {}, { group: 'g' })).rejects.toMatchObject({
    code: 'event_name_invalid',
  })
})

it('an exact type as text gets its events', async () => {
  const millrace = start()
  let seen = 0
  await millrace.subscribe('order.placed', () => void (seen += 1), { group: 'g' })
  await millrace.publish(OrderPlaced, { orderId: 'a' })
  await until(() => seen === 1)
})

it('one stored body that is no event does not hide the others from readers', async () => {
  const engine = memory()
  const millrace = start({ engine })
  const { partition } = await millrace.publish(OrderPlaced, { orderId: 'a' })
  const driver = await driverOf(engine)
  await driver.transport.publish([{ topic: 'order', partition, id: 'foreign', source: '/other', type: 'order.placed', key: 'a', correlationId: undefined, body: 'nonsense' }]) // prettier-ignore
  await millrace.publish(OrderPlaced, { orderId: 'b' })
  expect((await millrace.read()).events).toHaveLength(2)
})

it('an edit without a definition is checked as well', async () => {
  const engine = memory()
  const first = start({ engine })
  await first.subscribe(OrderPlaced, () => reject('no'), { group: 'g' })
  await first.publish(OrderPlaced, { orderId: 'a' })
  await until(async () => (await first.deadLetters.list()).length === 1)
  await first.close()
  const operator = start({ engine })
  const id = (await operator.deadLetters.list())[0]?.id ?? ''
  for (const data of [JSON.parse('{"a":{"__proto__":1}}'), Number.NaN, new Map()])
    await expect(operator.deadLetters.edit(id, data)).rejects.toMatchObject({ code: /event_/ })
})

it('what names the editor is checked', async () => {
  const millrace = start()
  await millrace.subscribe(OrderPlaced, () => reject('no'), { group: 'g' })
  await millrace.publish(OrderPlaced, { orderId: 'a' })
  await until(async () => (await millrace.deadLetters.list()).length === 1)
  const id = (await millrace.deadLetters.list())[0]?.id ?? ''
  await expect(millrace.deadLetters.edit(id, { orderId: 'b' }, { by: 'a\nb' })).rejects.toMatchObject({
    code: 'event_malformed',
  })
})

it('a concurrency that cannot be is refused', async () => {
  const millrace = start()
  const subscription = await millrace.subscribe(OrderPlaced, () => {}, { group: 'g' })
  for (const wrong of [Number.NaN, 0, -1, 1.5]) expect(() => subscription.setConcurrency(wrong)).toThrow()
})

it('a handler that is none, and an event that is none, are typed errors', async () => {
  const millrace = start()
  await expect(millrace.subscribe(OrderPlaced, undefined as never, { group: 'g' })).rejects.toMatchObject({
    code: 'subscription_invalid',
  })
  await expect(millrace.publish(null as never)).rejects.toMatchObject({ code: 'event_malformed' })
  expect(await millrace.publishBatch([null as never])).toMatchObject([
    { outcome: 'rejected', error: { code: 'event_malformed' } },
  ])
  await expect(millrace.deadLetters.requeue({ limit: -1 })).rejects.toMatchObject({ code: 'request_invalid' })
  await expect(millrace.deadLetters.discard({ until: new Date(Number.NaN) })).rejects.toMatchObject({
    code: 'request_invalid',
  })
})

it('a handler that gives a broken promise fails, and is not held until its timeout', async () => {
  const millrace = start()
  const broken = (): never => Object.fromEntries(['then'].map((name) => [name, () => { throw new Error('broken') }])) as never // prettier-ignore
  await millrace.subscribe(OrderPlaced, () => broken(), { group: 'g', timeout: 0, retry: { attempts: 1 } })
  await millrace.publish(OrderPlaced, { orderId: 'a' })
  await until(async () => (await millrace.deadLetters.list()).length === 1)
})
