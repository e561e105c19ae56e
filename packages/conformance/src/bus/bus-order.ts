import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import type { Context } from '../context.ts'
import { eventually, patienceMs } from '../eventually.ts'
import type { Property } from '../property.ts'
import {
  handledAll,
  keysInTurn,
  MORTAL_LEASE_MS,
  numbersByKey,
  publishSteps,
  record,
  settledAll,
  startBus,
  type Handled,
} from './bench-bus.ts'
import { mortal } from './mortal-engine.ts'

/** Order by key, through the whole bus. */
export const busOrderProperties: readonly Property[] = [
  { id: '04 bus: two groups see everything, a slow one holds up nobody', run: fanOut },
  { id: '05 bus: members share the work, each event once', needs: ['secondProcess'], run: sharing },
  { id: '20 bus: order by key', needs: ['order'], run: orderByKey },
  { id: '21 bus: order by key across retries', needs: ['order'], run: orderAcrossRetry },
  { id: '22 bus: order by key across a crash', needs: ['order', 'secondProcess'], run: orderAcrossCrash },
  { id: '22 bus: order by key while members come and go', needs: ['order', 'secondProcess'], run: comingAndGoing },
]

async function fanOut(context: Context): Promise<void> {
  const bus = startBus(context)
  const quick = await record(bus, { group: 'quick' })
  const slow = await record(bus, { group: 'slow', concurrency: 1 }, () => turn())
  const events = await publishSteps(bus, keysInTurn(200, 10))
  await handledAll(quick, 200)
  await handledAll(slow, 200)
  const ids = events.map(({ id }) => id).toSorted()
  assert.deepEqual(quick.done.map(({ id }) => id).toSorted(), ids, 'once to the quick group')
  assert.deepEqual(slow.done.map(({ id }) => id).toSorted(), ids, 'once to the slow group')
}

async function sharing(context: Context): Promise<void> {
  const first = startBus(context)
  const second = startBus(context, { engine: await context.secondEngine() })
  const one = await record(first, { group: 'team' }, () => turn())
  const two = await record(second, { group: 'team' }, () => turn())
  await Promise.all([one.subscription.ready, two.subscription.ready])
  await eventually('both members have partitions', async () => {
    const [group] = await first.groups()
    return group?.members.length === 2 && group.members.every(({ partitions }) => partitions === 2)
  })
  const events = await publishSteps(first, keysInTurn(400, 40))
  await eventually('all are handled', () => one.done.length + two.done.length >= 400)
  await settledAll(first, 'team')
  const ids = [...one.done, ...two.done].map(({ id }) => id)
  assert.deepEqual(ids.toSorted(), events.map(({ id }) => id).toSorted(), 'in calm water each event is handled once')
  assert.ok(one.done.length > 0 && two.done.length > 0, 'both have worked')
}

async function orderByKey(context: Context): Promise<void> {
  const { random } = context
  const bus = startBus(context)
  const keys = Array.from({ length: 1_500 }, () => `key ${random.integer(0, 39)}`)
  const seen = await record(bus, { group: 'orderly', concurrency: 32 }, async () => {
    for (let turns = random.integer(0, 3); turns > 0; turns -= 1) await turn()
  })
  for (let at = 0; at < keys.length; at += 300) await publishSteps(bus, keys.slice(at, at + 300), at)
  await handledAll(seen, keys.length)
  assert.equal(seen.started.length, keys.length, 'each once')
  assert.equal(seen.mostOfOneKey, 1, 'one at a time by key')
  assert.ok(seen.mostAtOnce > 1 && seen.mostAtOnce <= 32, `other keys go on: ${seen.mostAtOnce} at once`)
  assertInOrder(seen.started)
}

async function orderAcrossRetry(context: Context): Promise<void> {
  const { random } = context
  const bus = startBus(context)
  const failures = new Map(Array.from({ length: 60 }, () => [random.integer(0, 399), random.integer(1, 3)]))
  const seen = await record(
    bus,
    { group: 'stubborn', concurrency: 8, retry: { attempts: 6, backoff: { first: 5, ceiling: 20 } } },
    async ({ number, attempt }) => {
      await turn()
      if (attempt <= (failures.get(number) ?? 0)) throw new Error(`attempt ${attempt} of ${number} fails`)
    },
  )
  await publishSteps(bus, keysInTurn(400, 20))
  await handledAll(seen, 400)
  assert.equal(seen.mostOfOneKey, 1)
  assertInOrder(seen.done)
  for (const numbers of numbersByKey(seen.started).values()) {
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
      'nothing of a key starts before what failed has ended',
    )
  }
  for (const [number, times] of failures) {
    const attempts = seen.started.filter((each) => each.number === number).map(({ attempt }) => attempt)
    assert.deepEqual(
      attempts,
      Array.from({ length: times + 1 }, (_, at) => at + 1),
      `attempts of ${number}`,
    )
  }
}

async function orderAcrossCrash(context: Context): Promise<void> {
  const { engine, die, bury } = mortal(context.engine)
  const doomed = startBus(context, { engine, leaseMs: MORTAL_LEASE_MS })
  context.onEnd(bury)
  const heir = startBus(context, { engine: await context.secondEngine(), leaseMs: MORTAL_LEASE_MS })
  const before = await record(doomed, { group: 'line', concurrency: 8 }, () => turn())
  await before.subscription.ready
  const half = context.random.integer(100, 200)
  await publishSteps(doomed, keysInTurn(300, 12))
  await eventually('half is handled', () => before.done.length >= half)
  await die()
  const lost = before.done.length
  const after = await record(heir, { group: 'line', concurrency: 8 }, () => turn())
  await publishSteps(heir, keysInTurn(60, 12), 300)
  await eventually(
    'all are handled',
    () => {
      const ids = [...before.done.slice(0, lost), ...after.done].map(({ number }) => number)
      return new Set(ids).size === 360
    },
    2 * patienceMs(),
  )
  assert.equal(after.mostOfOneKey, 1)
  assertInOrder(after.done)
  await settledAll(heir, 'line')
}

async function comingAndGoing(context: Context): Promise<void> {
  const lead = startBus(context)
  const done: Handled[] = []
  const running = new Map<string, number>()
  let overlaps = 0
  const work = async (handled: Handled): Promise<void> => {
    const already = running.get(handled.key) ?? 0
    if (already > 0) overlaps += 1
    running.set(handled.key, already + 1)
    await turn()
    running.set(handled.key, (running.get(handled.key) ?? 1) - 1)
    done.push(handled)
  }
  const options = { group: 'shift', concurrency: 8 }
  const lasting = await record(lead, options, work)
  await lasting.subscription.ready
  let published = 0
  for (let round = 0; round < 3; round += 1) {
    const guest = startBus(context, { engine: await context.secondEngine() })
    const visiting = await record(guest, options, work)
    published += (await publishSteps(lead, keysInTurn(100, 16), published)).length
    await visiting.subscription.ready
    published += (await publishSteps(guest, keysInTurn(100, 16), published)).length
    if (round === 1) await visiting.subscription.stop()
    await guest.close()
  }
  await eventually('all are handled', () => done.length >= published, 2 * patienceMs())
  assert.equal(overlaps, 0, 'no key is handled by two members at once')
  assert.equal(done.length, published, 'as members leave in peace, each event is handled once')
  assertInOrder(done)
}

/** Within each key the numbers rise: publish order. */
function assertInOrder(handled: readonly Handled[]): void {
  for (const [key, numbers] of numbersByKey(handled)) {
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
      `the events of ${key} in publish order`,
    )
  }
}
