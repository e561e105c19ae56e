import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { DURABILITY_LEVELS, type Engine } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import { expectError } from '../expect-error.ts'
import { passing } from '../passing-time.ts'
import type { Property } from '../property.ts'
import {
  handledAll,
  keysInTurn,
  MORTAL_LEASE_MS,
  numbersByKey,
  publishSteps,
  record,
  settledAll,
  signal,
  startBus,
  StepTaken,
} from './bench-bus.ts'

/** The bus looks at the read-ahead before each fetch and asks for at most this many. */
const ONE_FETCH = 1_000

/** Starting, stopping and bounds, through the whole bus. */
export const busLifeProperties: readonly Property[] = [
  { id: '10 bus: what was handled does not come again', needs: ['restart'], run: handledOnce },
  { id: '25 bus: a handler may take longer than a lease', run: longHandler },
  { id: '26 bus: no more than the read-ahead and one fetch are unsettled', run: readAhead },
  { id: '28 bus: concurrency can be changed while running', run: concurrency },
  { id: '29 bus: stop lets handlers finish and settles them', run: gracefulStop },
  { id: '30 bus: a stop that cannot wait gives the event to the next', run: hastyStop },
  { id: '31 bus: restarts under traffic lose nothing and keep order', needs: ['restart'], run: restarts },
  { id: '42 bus: a weaker engine than demanded is refused at the start', run: durability },
  { id: '43 bus: an event over the limit is refused before it is sent', run: limits },
]

async function handledOnce(context: Context): Promise<void> {
  const bus = startBus(context)
  const first = await record(bus, { group: 'g' })
  await publishSteps(bus, keysInTurn(100, 9))
  await handledAll(first, 100)
  await bus.close()
  await context.restart()
  const again = startBus(context)
  const second = await record(again, { group: 'g' })
  await publishSteps(again, keysInTurn(9, 9), 100)
  await handledAll(second, 9)
  await settledAll(again, 'g')
  assert.deepEqual(
    second.started.map(({ number }) => number).toSorted((a, b) => a - b),
    Array.from({ length: 9 }, (_, at) => 100 + at),
  )
}

async function longHandler(context: Context): Promise<void> {
  const bus = startBus(context, { leaseMs: MORTAL_LEASE_MS })
  const other = startBus(context, { leaseMs: MORTAL_LEASE_MS })
  const release = signal()
  const seen = await record(bus, { group: 'g' }, () => release.fired)
  await seen.subscription.ready
  await publishSteps(bus, ['k'])
  await eventually('the handler runs', () => seen.running === 1)
  const rival = await record(other, { group: 'g' })
  await rival.subscription.ready
  await passing(3 * MORTAL_LEASE_MS)
  assert.equal(rival.started.length, 0, 'the event is not given to another while its owner lives')
  release.fire()
  await settledAll(bus, 'g')
  assert.equal(seen.started.length + rival.started.length, 1)
}

async function readAhead(context: Context): Promise<void> {
  const counted = counting(context.engine)
  const bus = startBus(context, { engine: counted.engine, topics: { suite: { partitions: 1 } } })
  const release = signal()
  await publishSteps(bus, keysInTurn(3_000, 100))
  const seen = await record(bus, { group: 'g', concurrency: 4, readAhead: 50 }, () => release.fired)
  await eventually('the handlers are busy', () => seen.running === 4)
  for (let turns = 0; turns < 200; turns += 1) await turn()
  assert.ok(counted.fetched() <= 50 + ONE_FETCH, `${counted.fetched()} events were fetched with a read-ahead of 50`)
  assert.equal(seen.mostAtOnce, 4)
  release.fire()
  await handledAll(seen, 3_000)
}

async function concurrency(context: Context): Promise<void> {
  const bus = startBus(context)
  const gates: (() => void)[] = []
  const gated = (): Promise<void> => new Promise((resolve) => void gates.push(resolve))
  const seen = await record(bus, { group: 'g', concurrency: 2 }, gated)
  await publishSteps(bus, keysInTurn(60, 60))
  await eventually('two run', () => seen.running === 2)
  seen.subscription.setConcurrency(6)
  await eventually('six run', () => seen.running === 6)
  assert.equal(seen.mostAtOnce, 6)
  seen.subscription.setConcurrency(1)
  const open = (): void => gates.shift()?.()
  while (seen.running > 1) {
    open()
    await turn()
  }
  const before = seen.started.length
  while (seen.started.length < before + 5) {
    open()
    await turn()
    assert.ok(seen.running <= 1, 'the lower bound holds once the others have ended')
  }
  seen.subscription.setConcurrency(16)
  await eventually('all are handled', () => {
    open()
    return seen.done.length === 60
  })
  assert.equal(new Set(seen.done.map(({ id }) => id)).size, 60)
}

async function gracefulStop(context: Context): Promise<void> {
  const bus = startBus(context)
  const release = signal()
  const seen = await record(bus, { group: 'g', concurrency: 3 }, () => release.fired)
  await publishSteps(bus, keysInTurn(30, 30))
  await eventually('three run', () => seen.running === 3)
  const stopping = seen.subscription.stop()
  const again = seen.subscription.stop()
  await turn()
  assert.equal(seen.subscription.state, 'stopping')
  release.fire()
  await Promise.all([stopping, again])
  assert.equal(seen.subscription.state, 'stopped')
  assert.equal(seen.started.length, 3, 'nothing new starts once stop was asked for')
  assert.equal(seen.done.length, 3)
  const next = await record(bus, { group: 'g' })
  await handledAll(next, 27)
  await settledAll(bus, 'g')
  assert.equal(next.started.length, 27, 'what was finished does not come again')
}

async function hastyStop(context: Context): Promise<void> {
  const bus = startBus(context)
  const release = signal()
  let aborted = false
  const seen = await record(bus, { group: 'g' }, async (_, abort) => {
    abort().addEventListener('abort', () => (aborted = true))
    await release.fired
  })
  await publishSteps(bus, ['k'])
  await eventually('the handler runs', () => seen.running === 1)
  await seen.subscription.stop({ timeoutMs: 0 })
  assert.equal(aborted, true, 'its signal has fired')
  const next = await record(bus, { group: 'g' })
  await handledAll(next, 1)
  release.fire()
  await settledAll(bus, 'g')
  assert.equal(next.done[0]?.id, seen.started[0]?.id)
}

async function restarts(context: Context): Promise<void> {
  const done: { key: string; number: number; id: string; attempt: number }[] = []
  let published = 0
  for (let cycle = 0; cycle < 8; cycle += 1) {
    const bus = startBus(context)
    const seen = await record(bus, { group: 'g', concurrency: 8 }, async (handled) => {
      await turn()
      done.push(handled)
    })
    published += (await publishSteps(bus, keysInTurn(40, 10), published)).length
    await eventually('some are handled', () => seen.done.length >= context.random.integer(1, 30))
    await bus.close()
    await context.restart()
  }
  const bus = startBus(context)
  const seen = await record(bus, { group: 'g' }, (handled) => void done.push(handled))
  await eventually('all are handled', () => new Set(done.map(({ number }) => number)).size === published)
  await settledAll(bus, 'g')
  assert.equal(done.length, published, 'a clean stop repeats nothing')
  for (const numbers of numbersByKey(done).values())
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    )
  await seen.subscription.stop()
}

async function durability(context: Context): Promise<void> {
  const probe = startBus(context)
  await probe.start()
  const level = DURABILITY_LEVELS.indexOf(probe.capabilities.durability)
  const [stronger] = DURABILITY_LEVELS.slice(level + 1)
  if (stronger !== undefined) {
    const demanding = startBus(context, { durability: { atLeast: stronger } })
    await expectError('durability_too_low', () => demanding.start())
  }
  const content = startBus(context, { durability: { atLeast: probe.capabilities.durability } })
  await content.start()
}

async function limits(context: Context): Promise<void> {
  const bus = startBus(context)
  const sized = (bytes: number): Promise<unknown> =>
    bus.publish(StepTaken, { key: 'x'.repeat(bytes), number: 1 }, { key: 'k' })
  await sized(200 * 1024)
  await expectError('limit_exceeded', () => sized(257 * 1024))
  const { events } = await bus.read()
  assert.deepEqual(
    events.map(({ data }) => (data as { key: string }).key.length),
    [200 * 1024],
  )
}

/** An engine that counts what its consumers give. */
function counting(engine: Engine): { readonly engine: Engine; fetched(): number } {
  let count = 0
  return {
    fetched: () => count,
    engine: {
      name: engine.name,
      open(runtime) {
        const driver = engine.open(runtime)
        const transport = Object.create(driver.transport, {
          consume: {
            value: (options: Parameters<typeof driver.transport.consume>[0]) => {
              const consumer = driver.transport.consume(options)
              const fetch: typeof consumer.fetch = async (wanted) => {
                const records = await consumer.fetch(wanted)
                count += records.length
                return records
              }
              return { ...consumer, fetch }
            },
          },
        }) as typeof driver.transport
        return { ...driver, transport }
      },
    },
  }
}
