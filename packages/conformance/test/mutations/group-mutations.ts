import type { Driver, LeaseStore, PartitionProgress, Position } from '@millrace/core/driver'
import { withConsumer, withStore, withTransport, type Mutation } from './mutation.ts'

/** Defects of settling, leases and starts. */
export const GROUP_MUTATIONS: readonly Mutation[] = [
  {
    defect: 'everything fetched is settled, handled or not',
    caughtBy: '02 a random workload agrees with the model',
    plant: (driver) =>
      withConsumer(driver, (consumer) => {
        const last = new Map<number, Position>()
        return {
          async fetch(options) {
            const records = await consumer.fetch(options)
            for (const { partition, position } of records) last.set(partition, position)
            return records
          },
          settle: (progress) =>
            consumer.settle(progress.map((each) => ({ ...each, settled: last.get(each.partition) ?? each.settled }))),
        }
      }),
  },
  {
    defect: 'events are settled when they are fetched',
    caughtBy: '31 a random workload with crashes agrees with the model',
    plant: (driver) =>
      withConsumer(driver, (consumer, { partitions }) => ({
        async fetch(options) {
          const records = await consumer.fetch(options)
          for (const { partition, token } of partitions) {
            const own = records.filter((record) => record.partition === partition)
            const settled = own.at(-1)?.position
            if (settled === undefined) continue
            const fresh = { ahead: [], aheadCount: 0, fetchedHigh: settled, attempts: [], newlySettled: own.length }
            await consumer.settle([{ partition, token, settled, ...fresh }])
          }
          return records
        },
        settle: async () => ({ fenced: [] }),
      })),
  },
  settling('attempts are forgotten', '14 attempts, ranges and marks survive a takeover', (progress) => ({
    ...progress,
    attempts: [],
  })),
  settling('ranges settled ahead are lost', '02 a random workload agrees with the model', (progress) => ({
    ...progress,
    ahead: [],
    aheadCount: 0,
  })),
  settling('the mark of a suspect is lost', '14 attempts, ranges and marks survive a crash', (progress) => {
    const { starting: _, ...rest } = progress
    return rest
  }),
  {
    defect: 'the fencing token is ignored',
    caughtBy: '11 a former owner cannot settle',
    plant: (driver) =>
      withConsumer(driver, (consumer, { group, topic }) => ({
        async settle(progress) {
          const tokens = await tokensOf(driver, group, topic)
          return consumer.settle(progress.map((each) => ({ ...each, token: tokens.get(each.partition) ?? each.token })))
        },
      })),
  },
  {
    defect: 'one fenced partition refuses the whole settle silently',
    caughtBy: '11 progress is stored for all of a partition or nothing',
    plant: (driver) =>
      withConsumer(driver, (consumer, { group, topic }) => ({
        async settle(progress) {
          const tokens = await tokensOf(driver, group, topic)
          const fenced = progress.filter(({ partition, token }) => tokens.get(partition) !== token)
          if (fenced.length > 0) return { fenced: fenced.map(({ partition }) => partition) }
          return consumer.settle(progress)
        },
      })),
  },
  {
    defect: 'a claim does not look at the owner',
    caughtBy: '05 a partition is won by one of many',
    plant(driver) {
      let before: Promise<unknown> = Promise.resolve()
      const claimAnyway: LeaseStore['claim'] = async (wanted) => {
        const { partitions } = await driver.stores.leases.observe(wanted.group)
        const now = partitions.find((each) => each.topic === wanted.topic && each.partition === wanted.partition)
        const expected = { expectedOwner: now?.owner, expectedToken: now?.token ?? wanted.expectedToken }
        return driver.stores.leases.claim({ ...wanted, ...expected })
      }
      return withStore(driver, 'leases', {
        claim(wanted) {
          const claiming = before.then(() => claimAnyway(wanted))
          before = claiming
          return claiming
        },
      })
    },
  },
  {
    defect: 'a member is expelled whatever its count',
    caughtBy: '22 a member is expelled only with the count observed',
    plant: (driver) => withStore(driver, 'leases', { expel: (member) => driver.stores.leases.leave(member) }),
  },
  {
    defect: 'a blocked member goes on counting',
    caughtBy: '25 a member whose thread is blocked stops counting',
    plant: (driver) =>
      withStore(driver, 'leases', {
        join: (member, beat) => driver.stores.leases.join(member, { ...beat, aliveWithinMs: Infinity }),
      }),
  },
  {
    defect: 'every partition given back counts as clean',
    caughtBy: '29 a partition given back tells whether it is clean',
    plant: (driver) =>
      withStore(driver, 'leases', { giveBack: (lease) => driver.stores.leases.giveBack({ ...lease, clean: true }) }),
  },
  {
    defect: 'latest is taken for earliest',
    caughtBy: '38 a new group starts where it was told to',
    caughtByBus: '38 bus: a new group starts where it was told to',
    plant: (driver) =>
      withTransport(driver, {
        ensureGroup: (group, topics, from) =>
          driver.transport.ensureGroup(group, topics, from === 'latest' ? 'earliest' : from),
      }),
  },
  {
    defect: 'ensuring a group starts it anew',
    caughtBy: '38 a group that exists goes on where it was',
    plant: (driver) =>
      withTransport(driver, {
        async ensureGroup(group, topics, from) {
          await driver.transport.ensureGroup(group, topics, from)
          for (const topic of topics) await driver.transport.seek(group, topic, from)
        },
      }),
  },
  {
    defect: 'seek moves every group',
    caughtBy: '37 seek moves one group in one topic and fences its members',
    plant: (driver) =>
      withTransport(driver, {
        async seek(group, topic, to) {
          await driver.transport.seek(group, topic, to)
          for (const other of (await driver.transport.list()).groups)
            await driver.transport.seek(other.group, topic, to)
        },
      }),
  },
  {
    defect: 'lag counts what is settled ahead',
    caughtBy: '39 lag is what was published and is not settled',
    plant: (driver) =>
      withTransport(driver, {
        async lag(topic, group) {
          const lags = await driver.transport.lag(topic, group)
          return lags.map((each) => ({ ...each, lag: Number(each.head ?? 0) - Number(each.settled ?? 0) }))
        },
      }),
  },
]

function settling(
  defect: string,
  caughtBy: string,
  change: (progress: PartitionProgress) => PartitionProgress,
): Mutation {
  return {
    defect,
    caughtBy,
    plant: (driver) =>
      withConsumer(driver, (consumer) => ({ settle: (progress) => consumer.settle(progress.map(change)) })),
  }
}

async function tokensOf(driver: Driver, group: string, topic: string): Promise<Map<number, number>> {
  const { partitions } = await driver.stores.leases.observe(group)
  return new Map(partitions.filter((each) => each.topic === topic).map(({ partition, token }) => [partition, token]))
}
