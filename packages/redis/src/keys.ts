/** The keys of one partition of a topic; they share a slot, so that a script may touch them together. */
export interface PartitionKeys {
  /** The stream. */
  readonly log: string
  /** A hash: incarnation of the topic, last time and number, bytes held, events expired. */
  readonly meta: string
  /** A hash from event ids to positions and sources: what dedupe and the look-up by id rest on. */
  readonly ids: string
  /** A sorted set of correlation ids with positions. */
  readonly flows: string
}

/** The keys of one group; they share a slot. */
export interface GroupKeys {
  /** A hash by place (`topic/partition`): token, whether it is clean, owner. */
  readonly leases: string
  /** A hash by place: progress. */
  readonly progress: string
  /** A hash by place: the stream id of what was last fetched of it, where the fetch stores it. */
  readonly marks: string
  /** A hash by member: label and filter epoch; and one with the counts. */
  readonly members: string
  readonly counts: string
  readonly filter: string
  /** Side lane: a hash by entry, a hash from places and generations to entries, the last entry number. */
  readonly lane: string
  readonly laneIds: string
  readonly laneNumber: string
  /** Dead letters: a hash by id, a sorted set by age, hashes from places to ids, by fingerprint, by key. */
  readonly letters: string
  readonly letterOrder: string
  readonly letterAt: string
  readonly letterCounts: string
  readonly letterSamples: string
  readonly letterHeld: string
  /** What the lane's keys of a place begin with: `queues:`, `sizes:`, `parked:`, `heads:` and the place follow. */
  readonly lanePrefix: string
}

/** The keys of tasks, schedules and settings; all share one slot, so that each step is one script. */
export interface TaskKeys {
  /** What the keys begin with. No key has this name itself, nor that of `nothing`. */
  readonly base: string
  readonly nothing: string
  /** Where the names of queues are announced that something changed in. */
  readonly channel: string
  readonly schedules: string
  readonly scheduleTimes: string
  readonly settings: string
}

/** The names of everything that is kept. */
export interface Keys {
  /** Hash by topic: partitions, incarnation, retention. */
  readonly topics: string
  /** Hash by group and topic. */
  readonly groups: string
  /** What tells this database from one that was flushed. */
  readonly identity: string
  /** Held by the process that sweeps. */
  readonly sweeper: string
  readonly tasks: TaskKeys
  partition(topic: string, partition: number): PartitionKeys
  group(group: string): GroupKeys
  /** Where the numbers of partitions are announced that something was appended to. */
  channel(topic: string): string
}

/** Names under a prefix. What is in braces decides the slot. */
export function createKeys(prefix: string): Keys {
  const partitions = new Map<string, PartitionKeys[]>()
  const groups = new Map<string, GroupKeys>()
  return {
    topics: `${prefix}{registry}:topics`,
    groups: `${prefix}{registry}:groups`,
    identity: `${prefix}{registry}:identity`,
    sweeper: `${prefix}{registry}:sweeper`,
    // The prefix is in the braces too: each prefix has a slot of its own.
    tasks: taskKeys(`${prefix}{${prefix}tasks}:`, `${prefix}wake-tasks`),
    partition(topic, partition) {
      let known = partitions.get(topic)
      if (known === undefined) partitions.set(topic, (known = []))
      return (known[partition] ??= partitionKeys(`${prefix}{${topic}/${partition}}:`))
    },
    group(group) {
      let known = groups.get(group)
      if (known === undefined) groups.set(group, (known = groupKeys(`${prefix}{group ${group}}:`)))
      return known
    },
    channel: (topic) => `${prefix}wake:${topic}`,
  }
}

function partitionKeys(base: string): PartitionKeys {
  return { log: `${base}log`, meta: `${base}meta`, ids: `${base}ids`, flows: `${base}flows` }
}

function groupKeys(base: string): GroupKeys {
  return {
    leases: `${base}leases`,
    progress: `${base}progress`,
    marks: `${base}marks`,
    members: `${base}members`,
    counts: `${base}counts`,
    filter: `${base}filter`,
    lane: `${base}lane`,
    laneIds: `${base}lane-ids`,
    laneNumber: `${base}lane-number`,
    letters: `${base}letters`,
    letterOrder: `${base}letter-order`,
    letterAt: `${base}letter-at`,
    letterCounts: `${base}letter-counts`,
    letterSamples: `${base}letter-samples`,
    letterHeld: `${base}letter-held`,
    lanePrefix: `${base}lane-`,
  }
}

function taskKeys(base: string, channel: string): TaskKeys {
  return {
    base,
    nothing: `${base}-`,
    channel,
    schedules: `${base}schedules`,
    scheduleTimes: `${base}schedule-times`,
    settings: `${base}settings`,
  }
}

/** One partition of a topic as the groups' hashes name it. */
export function placeName(topic: string, partition: number): string {
  return `${topic}/${partition}`
}

/** The topic and the partition of a place. */
export function splitPlace(place: string): { readonly topic: string; readonly partition: number } {
  const slash = place.lastIndexOf('/')
  return { topic: place.slice(0, slash), partition: Number(place.slice(slash + 1)) }
}
