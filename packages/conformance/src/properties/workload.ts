import assert from 'node:assert/strict'
import type { Consumer, Driver, StoredRecord } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { patienceMs } from '../eventually.ts'
import type { Property } from '../property.ts'
import type { Random } from '../random.ts'
import { publishAll, readAll, record, withoutTime, type StoredPlace } from '../records.ts'
import { consumeLeases, progressOf, takeOver, type Lease } from '../worker.ts'

/** Long random runs of all operations together, compared with a model after each step. */
export const workloadProperties: readonly Property[] = [
  { id: '02 a random workload agrees with the model', run: (context) => workload(context, false) },
  {
    id: '31 a random workload with crashes agrees with the model',
    needs: ['restart'],
    run: (context) => workload(context, true),
  },
]

const TOPICS = ['first', 'second']
const PARTITIONS = 3
const STEPS = 160

/** What a group has been given and has settled in one topic, by partition. */
interface ModelGroup {
  readonly group: string
  readonly topic: string
  leases: readonly Lease[]
  consumer: Consumer
  readonly settled: readonly Set<string>[]
  /** How many events of each partition have been fetched by the present consumer. */
  fetched: number[]
}

interface Model {
  readonly log: Map<string, StoredPlace[]>
  readonly groups: ModelGroup[]
}

async function workload({ open, restart, random }: Context, crashes: boolean): Promise<void> {
  let driver = await open()
  const model: Model = { log: new Map(TOPICS.map((topic) => [topic, []])), groups: [] }
  for (const topic of TOPICS) {
    await driver.transport.ensureTopic(topic, { partitions: PARTITIONS })
    for (const group of ['red', 'blue']) {
      await driver.transport.ensureGroup(group, [topic], 'earliest')
      model.groups.push(await takeAll(driver, group, topic))
    }
  }
  for (let step = 0; step < STEPS; step += 1) {
    const chosen = random.pick(model.groups)
    if (random.chance(0.35)) await publishSome(driver, model, random)
    else if (random.chance(0.4)) await fetchSome(model, chosen, random.integer(1, 40))
    else if (random.chance(0.6)) await settleSome(model, chosen, random.chance)
    else if (random.chance(0.5)) await takeOverAgain(driver, model, chosen)
    else await compare(driver, model)
    if (crashes && random.chance(0.06)) {
      driver = await restart()
      for (const each of model.groups) await takeOverAgain(driver, model, each)
    }
  }
  await compare(driver, model)
  await finish(driver, model)
}

async function takeAll(driver: Driver, group: string, topic: string): Promise<ModelGroup> {
  const leases = await takeOver(driver, group, topic, `member of ${group}`)
  const consumer = consumeLeases(driver, group, topic, leases)
  return { group, topic, leases, consumer, settled: leases.map(() => new Set()), fetched: leases.map(() => 0) }
}

async function publishSome(driver: Driver, model: Model, random: Random): Promise<void> {
  const topic = random.pick(TOPICS)
  const records = Array.from({ length: random.integer(1, 12) }, () =>
    record({ topic, partitions: PARTITIONS, key: `k${random.integer(0, 8)}` }),
  )
  model.log.get(topic)?.push(...(await publishAll(driver, records)))
}

/** One fetch: it must give the next events of each partition, whatever it takes from which. */
async function fetchSome(model: Model, group: ModelGroup, max: number): Promise<void> {
  const waiting = group.leases.some(({ partition }) => nextOf(model, group, partition).length > 0)
  if (!waiting) return
  const records = await group.consumer.fetch({ max, signal: AbortSignal.timeout(patienceMs()) })
  assert.ok(records.length > 0 && records.length <= max, 'a fetch with events waiting gives some')
  checkFetched(model, group, records)
}

function checkFetched(model: Model, group: ModelGroup, records: readonly StoredRecord[]): void {
  for (const { partition } of group.leases) {
    const got = withoutTime(records.filter((each) => each.partition === partition))
    const expected = nextOf(model, group, partition).slice(0, got.length)
    assert.deepEqual(got, expected, `the next events of ${group.topic}/${partition} for ${group.group}`)
    group.fetched[partition] = (group.fetched[partition] ?? 0) + got.length
  }
}

async function settleSome(model: Model, group: ModelGroup, chance: (p: number) => boolean): Promise<void> {
  const changes = group.leases.map(({ partition, token }) => {
    const log = logOf(model, group.topic, partition)
    const done = group.settled[partition] ?? new Set()
    const fetched = group.fetched[partition] ?? 0
    const fresh = log.slice(0, fetched).filter((position) => !done.has(position) && chance(0.5))
    for (const position of fresh) done.add(position)
    return { ...progressOf(log, done, fetched), partition, token, newlySettled: fresh.length }
  })
  assert.deepEqual((await group.consumer.settle(changes)).fenced, [], 'the owner may settle')
}

/** Another member takes all partitions: the progress that it is given must be the one that was settled. */
async function takeOverAgain(driver: Driver, model: Model, group: ModelGroup): Promise<void> {
  await group.consumer.close()
  group.leases = await takeOver(driver, group.group, group.topic, `member of ${group.group}`)
  for (const { partition, progress } of group.leases) {
    const log = logOf(model, group.topic, partition)
    const expected = progressOf(log, group.settled[partition] ?? new Set(), 0)
    const { settled, ahead, aheadCount } = progress
    assert.deepEqual(
      { settled, ahead, aheadCount },
      { settled: expected.settled, ahead: expected.ahead, aheadCount: expected.aheadCount },
      `progress of ${group.group} in ${group.topic}/${partition}`,
    )
    group.fetched[partition] = settled === undefined ? 0 : log.indexOf(settled) + 1
  }
  group.consumer = consumeLeases(driver, group.group, group.topic, group.leases)
}

async function compare(driver: Driver, model: Model): Promise<void> {
  for (const topic of TOPICS) {
    const read = withoutTime(await readAll(driver, topic, 50))
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const own = (each: StoredPlace): boolean => each.partition === partition
      assert.deepEqual(read.filter(own), model.log.get(topic)?.filter(own), `the log of ${topic}/${partition}`)
    }
  }
  for (const group of model.groups) {
    for (const { partition, lag, exact } of await driver.transport.lag(group.topic, group.group)) {
      const log = logOf(model, group.topic, partition)
      const left = log.filter((position) => !group.settled[partition]?.has(position))
      if (exact) assert.equal(lag, left.length, `lag of ${group.group} in ${group.topic}/${partition}`)
    }
  }
}

/** Everything that is left reaches every group, in order. */
async function finish(driver: Driver, model: Model): Promise<void> {
  for (const group of model.groups) {
    await takeOverAgain(driver, model, group)
    while (group.leases.some(({ partition }) => nextOf(model, group, partition).length > 0)) {
      await fetchSome(model, group, 100)
    }
    await settleSome(model, group, () => true)
  }
  for (const { topic, group } of model.groups) {
    for (const { lag } of await driver.transport.lag(topic, group)) assert.equal(lag, 0, 'lag reaches 0')
  }
}

function logOf(model: Model, topic: string, partition: number): string[] {
  return (model.log.get(topic) ?? []).filter((each) => each.partition === partition).map(({ position }) => position)
}

function nextOf(model: Model, group: ModelGroup, partition: number): StoredPlace[] {
  const log = (model.log.get(group.topic) ?? []).filter((each) => each.partition === partition)
  return log.slice(group.fetched[partition] ?? 0)
}
