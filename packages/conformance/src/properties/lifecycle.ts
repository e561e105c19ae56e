import assert from 'node:assert/strict'
import { DURABILITY_LEVELS, type Capability, type Driver } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { eventually, within } from '../eventually.ts'
import { expectError } from '../expect-error.ts'
import type { Property } from '../property.ts'
import { publishAll, readAll, record } from '../records.ts'
import { suiteRuntime } from '../suite-runtime.ts'
import { consumeLeases, drain, NO_PROGRESS, settledUpTo, takeOver } from '../worker.ts'

/** What opening, closing and declaring must do. */
export const lifecycleProperties: readonly Property[] = [
  { id: '05 what one process publishes wakes another', needs: ['secondProcess'], run: wakesAnother },
  { id: '29 close is safe at any time and more than once', run: closing },
  { id: '29 a publish under way is settled by close', run: closeWhilePublishing },
  { id: '31 twenty restarts under traffic lose nothing', needs: ['restart'], run: restarts },
  { id: '31 opening and closing leaves no timer and no handle', run: noLeaks },
  { id: '42 capabilities are declared, and true to the words of the suite', run: capabilities },
  { id: '42 diagnose reads only, and says what is the case', run: diagnosing },
]

async function wakesAnother({ open, openSecond }: Context): Promise<void> {
  const here = await open()
  await here.transport.ensureTopic('call', { partitions: 2 })
  await here.transport.ensureGroup('ear', ['call'], 'earliest')
  const there = await openSecond()
  const consumer = consumeLeases(there, 'ear', 'call', await takeOver(there, 'ear', 'call', 'e'))
  for (let round = 0; round < 10; round += 1) {
    const fetching = consumer.fetch({ max: 5 })
    const reading = there.transport.read({ topic: 'call', type: `type.${round}`, limit: 5, waitMs: 60_000 })
    const [place] = await publishAll(here, [record({ topic: 'call', partition: round % 2, type: `type.${round}` })])
    assert.equal((await within('the fetch of the other process wakes', fetching))[0]?.id, place?.id)
    assert.equal((await within('the read of the other process wakes', reading))[0]?.id, place?.id)
  }
}

async function closing({ engine, open, onEnd }: Context): Promise<void> {
  const never = engine.open(suiteRuntime())
  onEnd(() => never.transport.close())
  await expectError('closed', () => never.transport.capabilities)
  await expectError('closed', () => never.transport.list())
  await never.transport.close()
  await never.transport.close()
  const driver = await open()
  await driver.transport.connect()
  await driver.transport.ensureTopic('end', { partitions: 1 })
  await driver.transport.ensureGroup('end', ['end'], 'earliest')
  const [lease] = await takeOver(driver, 'end', 'end', 'm')
  assert.ok(lease)
  const consumer = consumeLeases(driver, 'end', 'end', [lease])
  await Promise.all([driver.transport.close(), driver.transport.close()])
  const { transport, stores } = driver
  await expectError('closed', () => transport.publish([record({ topic: 'end' })]))
  await expectError('closed', () => transport.read({ topic: 'end', limit: 1 }))
  await expectError('closed', () => transport.lag('end', 'end'))
  await expectError('closed', () => consumer.settle([{ ...NO_PROGRESS, ...lease, newlySettled: 0 }]))
  await expectError('closed', () => stores.leases.observe('end'))
  await expectError('closed', () => stores.lane.counts('end'))
  await expectError('closed', () => stores.deadLetters.list({ limit: 1 }))
  await expectError('closed', () => stores.index.byId('x'))
}

async function closeWhilePublishing({ open }: Context): Promise<void> {
  const driver = await open()
  await driver.transport.ensureTopic('end', { partitions: 1 })
  const records = Array.from({ length: 50 }, () => record({ topic: 'end' }))
  const publishing = driver.transport.publish(records)
  await driver.transport.close()
  const outcomes = await within('the publish settles', publishing)
  for (const { outcome } of outcomes) assert.ok(['stored', 'rejected', 'unknown'].includes(outcome))
  assert.equal(outcomes.length, 50)
}

async function restarts({ open, restart, random }: Context): Promise<void> {
  let driver = await open()
  await driver.transport.ensureTopic('cycle', { partitions: 2 })
  await driver.transport.ensureGroup('cycle', ['cycle'], 'earliest')
  const published: string[] = []
  const handled: string[] = []
  for (let cycle = 0; cycle < 20; cycle += 1) {
    const count = random.integer(1, 8)
    const places = await publishAll(
      driver,
      Array.from({ length: count }, () => record({ topic: 'cycle', partition: random.integer(0, 1) })),
    )
    published.push(...places.map(({ id }) => id))
    if (random.chance(0.7)) handled.push(...(await handleSome(driver, random.integer(1, 10))))
    driver = await restart()
  }
  assert.deepEqual(new Set((await readAll(driver, 'cycle')).map(({ id }) => id)), new Set(published))
  const consumer = consumeLeases(driver, 'cycle', 'cycle', await takeOver(driver, 'cycle', 'cycle', 'last'))
  handled.push(...(await drain(driver, consumer, 'cycle', [0, 1])).map(({ id }) => id))
  assert.deepEqual(
    handled.toSorted(),
    published.toSorted(),
    'each event is handled once, as every settle was confirmed',
  )
}

/** Fetches once and settles all of it. */
async function handleSome(driver: Driver, max: number): Promise<string[]> {
  const leases = await takeOver(driver, 'cycle', 'cycle', 'm')
  const consumer = consumeLeases(driver, 'cycle', 'cycle', leases)
  const pending = (await driver.transport.lag('cycle', 'cycle')).reduce((sum, { lag }) => sum + lag, 0)
  if (pending === 0) return []
  const records = await consumer.fetch({ max })
  for (const lease of leases) {
    const own = records.filter(({ partition }) => partition === lease.partition)
    const last = own.at(-1)
    if (last !== undefined) await consumer.settle([settledUpTo(lease, last.position, own.length)])
  }
  return records.map(({ id }) => id)
}

async function noLeaks({ engine }: Context): Promise<void> {
  const once = async (): Promise<void> => {
    const driver = engine.open(suiteRuntime())
    await driver.transport.connect()
    await driver.transport.ensureTopic('leak', { partitions: 1 })
    await driver.transport.ensureGroup('leak', ['leak'], 'latest')
    const alive = new Int32Array(new SharedArrayBuffer(4))
    const member = { member: driver.transport.capabilities.engine, group: 'leak', label: 'leak', filterEpoch: 0 }
    await driver.stores.leases.join(member, { everyMs: 60_000, aliveWithinMs: 60_000, alive })
    const consumer = consumeLeases(driver, 'leak', 'leak', await takeOver(driver, 'leak', 'leak', member.member))
    const waiting = [consumer.fetch({ max: 1 }), driver.transport.read({ topic: 'leak', limit: 1, waitMs: 60_000 })]
    const settled = Promise.allSettled(waiting)
    await driver.transport.close()
    await settled
  }
  await once()
  const before = process.getActiveResourcesInfo().length
  for (let cycle = 0; cycle < 10; cycle += 1) await once()
  await eventually('no more resources are active than after the first cycle', () => {
    return process.getActiveResourcesInfo().length <= before
  })
}

async function capabilities({ open, capabilities: declared = {} }: Context): Promise<void> {
  const { transport } = await open()
  const { engine, engineVersion, durability, smallBatches: _smallBatches, ...abilities } = transport.capabilities
  assert.ok(engine.length > 0 && engineVersion.length > 0)
  assert.ok(DURABILITY_LEVELS.includes(durability))
  const names = ['assignment', 'dedupe', 'fencing', 'lag', 'order', 'processes', 'read', 'size']
  assert.deepEqual(Object.keys(abilities).toSorted(), names)
  for (const [name, ability] of Object.entries<Capability>(abilities)) {
    assert.ok(['native', 'emulated', 'none'].includes(ability.level), name)
    const wanted = declared[name]
    if (wanted !== undefined) assert.equal(ability.level, wanted, `the level of ${name}`)
  }
  if (declared['durability'] !== undefined) assert.equal(durability, declared['durability'])
}

async function diagnosing({ open }: Context): Promise<void> {
  const driver = await open()
  await driver.transport.ensureTopic('well', { partitions: 1 })
  await publishAll(driver, [record({ topic: 'well' })])
  const before = await readAll(driver, 'well')
  for (const verify of [false, true]) {
    const findings = await driver.diagnose({ verify })
    assert.ok(findings.length > 0)
    for (const { check, level, text } of findings) {
      assert.ok(check.length > 0 && text.length > 0)
      assert.ok(['fine', 'notice', 'problem'].includes(level))
    }
  }
  assert.deepEqual(await readAll(driver, 'well'), before)
}
