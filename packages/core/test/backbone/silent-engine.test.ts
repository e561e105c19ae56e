import { expect, test } from 'vitest'
import type { Consumer, Engine } from '../../src/driver.ts'
import { createMillrace } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'
import { testRuntime } from '../../src/testing.ts'
import { OrderPlaced } from './order-placed.ts'

/** The memory engine, which stops answering whoever settles, gives back or leaves. */
function silentWhen(silent: () => boolean): Engine {
  const engine = memory()
  const answered = <Answer>(ask: () => Promise<Answer>): Promise<Answer> =>
    silent() ? new Promise<never>(() => {}) : ask()
  return {
    name: engine.name,
    open(runtime) {
      const driver = engine.open(runtime)
      const { transport, stores } = driver
      const quiet = (consumer: Consumer): Consumer => ({
        ...consumer,
        settle: (progress) => answered(() => consumer.settle(progress)),
        close: () => answered(() => consumer.close()),
      })
      return {
        ...driver,
        transport: Object.assign(Object.create(transport) as typeof transport, {
          consume: (what: Parameters<typeof transport.consume>[0]) => quiet(transport.consume(what)),
        }),
        stores: {
          ...stores,
          leases: {
            ...stores.leases,
            observe: (group) => answered(() => stores.leases.observe(group)),
            giveBack: (lease) => answered(() => stores.leases.giveBack(lease)),
            leave: (member) => answered(() => stores.leases.leave(member)),
          },
        },
      }
    },
  }
}

test('an engine that answers nothing more does not keep a subscription from stopping', async () => {
  const runtime = testRuntime(1)
  let silent = false
  const millrace = createMillrace({ name: 'shop', engine: silentWhen(() => silent), runtime })
  let handled = 0
  const subscribing = millrace.subscribe(OrderPlaced, () => void (handled += 1), { group: 'g' })
  await runtime.advance(100)
  const subscription = await subscribing
  void millrace.publish(OrderPlaced, { orderId: 'o-1' })
  await runtime.advanceUntil(() => handled === 1)
  silent = true
  void millrace.publish(OrderPlaced, { orderId: 'o-2' })
  await runtime.advance(4_000)
  let stopped = false
  void subscription.stop({ timeoutMs: 1_000 }).then(() => (stopped = true))
  await runtime.advance(900)
  expect(stopped).toBe(false)
  await runtime.advanceUntil(() => stopped, { withinMs: 15_000 })
  expect(subscription.state).toBe('stopped')
})
