import type { Driver } from '../driver/driver.ts'
import type { TopicInfo } from '../driver/transport.ts'
import type { Runtime } from '../runtime/runtime.ts'

/** A topic with who listens to it. */
export interface TopicStatus extends TopicInfo {
  readonly groups: readonly string[]
}

/** How a group is doing. */
export interface GroupStatus {
  readonly group: string
  /** Set where the group reads a log of record beside a transport. */
  readonly via?: 'log'
  readonly topics: readonly string[]
  /** Types and patterns that it listens to. */
  readonly filter: readonly string[]
  readonly members: readonly { readonly member: string; readonly label: string; readonly partitions: number }[]
  /** Events that are not settled. */
  readonly lag: number
  readonly lagExact: boolean
  /** Age in milliseconds of the oldest event that is not settled. */
  readonly oldestMs: number | undefined
  readonly lane: { readonly waiting: number; readonly due: number; readonly parked: number; readonly keys: number }
  readonly deadLetters: number
  readonly partitions: readonly PartitionStatus[]
}

/** How a group is doing in one partition. */
export interface PartitionStatus {
  readonly topic: string
  readonly partition: number
  readonly owner: string | undefined
  readonly head: string | undefined
  readonly settled: string | undefined
  readonly lag: number
}

/** All topics, by name. */
export async function topicStatus({ transport }: Driver): Promise<readonly TopicStatus[]> {
  const { topics, groups } = await transport.list()
  return topics.map((topic) => ({
    ...topic,
    groups: groups.filter((group) => group.topics.includes(topic.topic)).map(({ group }) => group),
  }))
}

/** All groups, by name: what a look costs does not depend on the number of events. */
export async function groupStatus(driver: Driver, runtime: Runtime): Promise<readonly GroupStatus[]> {
  const { groups } = await driver.transport.list()
  return Promise.all(groups.map(({ group, topics }) => statusOf(driver, runtime, group, topics)))
}

async function statusOf(
  { transport, stores }: Driver,
  runtime: Runtime,
  group: string,
  topics: readonly string[],
): Promise<GroupStatus> {
  const [view, lane, letters, lags] = await Promise.all([
    stores.leases.observe(group),
    stores.lane.counts(group),
    stores.deadLetters.counts({ group }),
    Promise.all(topics.map(async (topic) => ({ topic, lags: await transport.lag(topic, group) }))),
  ])
  const owners = new Map(view.partitions.map(({ topic, partition, owner }) => [`${topic} ${partition}`, owner]))
  const flat = lags.flatMap(({ topic, lags: partitions }) => partitions.map((lag) => ({ topic, ...lag })))
  const oldest = flat.reduce<number | undefined>(
    (least, { oldestUnsettledAt }) =>
      oldestUnsettledAt === undefined ? least : Math.min(least ?? oldestUnsettledAt, oldestUnsettledAt),
    undefined,
  )
  return {
    group,
    topics,
    filter: view.filter?.types ?? [],
    members: view.members.map(({ member, label }) => ({
      member,
      label,
      partitions: view.partitions.filter(({ owner }) => owner === member).length,
    })),
    lag: flat.reduce((sum, { lag }) => sum + lag, 0),
    lagExact: flat.every(({ exact }) => exact),
    oldestMs: oldest === undefined ? undefined : Math.max(0, runtime.now() - oldest),
    lane: { waiting: lane.waiting, due: lane.due, parked: lane.parked, keys: lane.keys },
    deadLetters: letters.reduce((sum, { count }) => sum + count, 0),
    partitions: flat.map(({ topic, partition, head, settled, lag }) => ({
      topic,
      partition,
      head,
      settled,
      lag,
      owner: owners.get(`${topic} ${partition}`),
    })),
  }
}
