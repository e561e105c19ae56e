import type { Position } from '../driver/position.ts'
import type { GroupInfo, PartitionLag, PartitionProgress, Progress, StartAt } from '../driver/transport.ts'
import { MillraceError } from '../runtime/error.ts'
import type { MemoryEngine } from './engine.ts'
import type { GroupPartition, GroupState } from './group-state.ts'
import { createLane } from './lane.ts'
import type { PartitionLog } from './partition-log.ts'
import { positionOf, sequenceOf } from './position.ts'
import type { TopicState } from './topic-state.ts'
import { topicOf } from './topics.ts'

/** The group; made when it is not there. */
export function groupState(engine: MemoryEngine, name: string): GroupState {
  let group = engine.groups.get(name)
  if (group === undefined) {
    group = { group: name, topics: new Map(), members: new Map(), filter: undefined, lane: createLane() }
    engine.groups.set(name, group)
  }
  return group
}

/** Gives the group a start in the topics where it has none. All or nothing; throws `topic_unknown`. */
export function ensureGroup(engine: MemoryEngine, name: string, topics: readonly string[], from: StartAt): void {
  const known = engine.groups.get(name)
  const fresh = topics.map((topic) => topicOf(engine, topic)).filter(({ topic }) => !known?.topics.has(topic))
  const starts = fresh.map((topic) => topic.partitions.map((log) => startIn(log, from)))
  const group = groupState(engine, name)
  for (const [index, { topic }] of fresh.entries()) {
    const partitions = (starts[index] ?? []).map((settled) => newPartition(engine, settled))
    group.topics.set(topic, partitions)
  }
}

/** All groups by name. */
export function listGroups(engine: MemoryEngine): GroupInfo[] {
  return [...engine.groups.values()]
    .map(({ group, topics }) => ({ group, topics: [...topics.keys()].toSorted() }))
    .toSorted((a, b) => (a.group < b.group ? -1 : 1))
}

/** Moves the group and raises the tokens, so that running members are fenced off. */
export function seek(engine: MemoryEngine, name: string, topicName: string, to: StartAt): void {
  const topic = topicOf(engine, topicName)
  partitionsOf(engine, name, topicName)
  const starts = topic.partitions.map((log) => startIn(log, to))
  engine.groups.get(name)?.topics.set(
    topicName,
    starts.map((settled) => newPartition(engine, settled)),
  )
}

/** Forgets a group with its progress, side lane and dead letters. Throws `group_unknown`. */
export function removeGroup(engine: MemoryEngine, name: string): void {
  const group = engine.groups.get(name)
  if (group === undefined) throw groupUnknown(name)
  engine.bytes -= group.lane.weight
  engine.bytes -= engine.letters.removeGroup(name)
  engine.groups.delete(name)
}

/** Forgets what groups know of a topic; their dead letters stay. */
export function removeTopicFromGroups(engine: MemoryEngine, topic: string): void {
  for (const group of engine.groups.values()) {
    group.topics.delete(topic)
    engine.bytes -= group.lane.removeTopic(topic)
  }
}

/** The partition if the token is still its own: what every fenced write asks first. */
export function underToken(
  engine: MemoryEngine,
  place: { readonly group: string; readonly topic: string; readonly partition: number },
  token: number,
): GroupPartition | undefined {
  const partition = engine.groups.get(place.group)?.topics.get(place.topic)?.[place.partition]
  return partition?.token === token ? partition : undefined
}

/** Stores progress, each partition under its token; returns the partitions that were refused. */
export function settle(
  engine: MemoryEngine,
  group: string,
  topic: string,
  changes: readonly PartitionProgress[],
): number[] {
  const fenced: number[] = []
  for (const { partition, token, newlySettled: _, ...progress } of changes) {
    const state = underToken(engine, { group, topic, partition }, token)
    if (state === undefined) fenced.push(partition)
    else state.progress = { ...progress, fetchedHigh: later(state.progress.fetchedHigh, progress.fetchedHigh) }
  }
  return fenced
}

/** Stores that the events up to a position may be handed to a handler; false when the token has moved on. */
export function mark(
  engine: MemoryEngine,
  place: { readonly group: string; readonly topic: string; readonly partition: number },
  { token, position }: { readonly token: number; readonly position: Position },
): boolean {
  const state = underToken(engine, place, token)
  if (state === undefined) return false
  state.progress = { ...state.progress, fetchedHigh: later(state.progress.fetchedHigh, position) }
  return true
}

function later(one: Position | undefined, other: Position | undefined): Position | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return one > other ? one : other
}

/** How far the group is behind in each partition. Exact, as positions have no gaps. */
export function lag(engine: MemoryEngine, topicName: string, group: string): PartitionLag[] {
  const topic = topicOf(engine, topicName)
  return partitionsOf(engine, group, topicName).map(({ progress }, partition) => lagOf(topic, partition, progress))
}

function partitionsOf(engine: MemoryEngine, name: string, topic: string): readonly GroupPartition[] {
  const group = engine.groups.get(name)
  if (group === undefined) throw groupUnknown(name)
  const partitions = group.topics.get(topic)
  if (partitions === undefined) {
    throw new MillraceError('group_unknown', `The group "${name}" has no start in the topic "${topic}".`)
  }
  return partitions
}

function lagOf(topic: TopicState, partition: number, progress: Progress): PartitionLag {
  const log = topic.partitions[partition]
  const head = log?.head ?? 0
  let next = Math.max(sequenceOf(progress.settled), log?.dropped ?? 0) + 1
  let unsettled = Math.max(0, head + 1 - next)
  for (const [from, to] of progress.ahead) {
    const first = Math.max(sequenceOf(from), next)
    const last = Math.min(sequenceOf(to), head)
    if (last < first) continue
    unsettled -= last - first + 1
    if (first === next) next = last + 1
  }
  return {
    partition,
    head: head === 0 ? undefined : positionOf(head),
    settled: progress.settled,
    lag: unsettled,
    exact: true,
    oldestUnsettledAt: unsettled === 0 ? undefined : log?.at(next)?.record.recordedAt,
  }
}

/** The sequence number after which `at` begins. */
function startIn(log: PartitionLog, at: StartAt): number {
  if (at === 'earliest') return 0
  if (at === 'latest') return log.head
  if ('time' in at) return log.firstSince(at.time) - 1
  const given = at.after.find(({ partition }) => partition === log.partition)
  const sequence = sequenceOf(given?.position)
  if (sequence <= log.head) return sequence
  throw new MillraceError(
    'position_invalid',
    `The position ${given?.position} is beyond the newest event of partition ${log.partition}.`,
  )
}

function newPartition(engine: MemoryEngine, settled: number): GroupPartition {
  engine.lastNumber += 1
  return {
    owner: undefined,
    token: engine.lastNumber,
    clean: true,
    progress: {
      settled: settled === 0 ? undefined : positionOf(settled),
      ahead: [],
      fetchedHigh: undefined,
      aheadCount: 0,
      attempts: [],
    },
  }
}

function groupUnknown(name: string): MillraceError {
  return new MillraceError('group_unknown', `The group "${name}" does not exist. Subscribe with it first.`)
}
