import type { Capabilities } from './capabilities.ts'
import type { Position, PositionRange } from './position.ts'
import type { PublishOutcome, PublishRecord, StoredRecord } from './record.ts'

/** Moves events. Does I/O and nothing else: validation, retries, tracing and error mapping happen in the bus. */
export interface Transport {
  /** Probed by `connect`; reading it before throws `closed`. */
  readonly capabilities: Capabilities

  /** Opens the engine, checks versions and rights, migrates the schema. Idempotent. Throws `engine_*`. */
  connect(): Promise<void>

  /** Lets running calls settle, then releases everything. Idempotent, safe before `connect` and while blocked. */
  close(): Promise<void>

  /**
   * Creates the topic unless it exists. Idempotent and safe when called at once by many. Never changes the partitions
   * of an existing topic: it returns what is there. Retention settings of an existing topic are replaced when given.
   */
  ensureTopic(topic: string, options?: TopicOptions): Promise<TopicInfo>

  /**
   * Makes the group start at `from` in every named topic where it has no progress yet; where it has, nothing changes.
   * Idempotent, concurrent-safe. Throws `topic_unknown`.
   */
  ensureGroup(group: string, topics: readonly string[], from: StartAt): Promise<void>

  /** All topics and groups, by name. Cheap: never a count over events. */
  list(): Promise<Listing>

  /**
   * Stores records in the order given (per partition), one outcome per record. Resolves when all outcomes are known at
   * the declared durability. One failed record does not stop the others. Never throws for a record; throws only
   * `closed`. Up to two calls may be under way at once, and the second's records come after the first's.
   * When the signal fires before the engine was asked, outcomes are `rejected`; after it, `unknown`.
   */
  publish(
    records: readonly PublishRecord[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<readonly PublishOutcome[]>

  /** Opens a reader of some partitions for the member that owns them. Does not move the group. */
  consume(options: ConsumeOptions): Consumer

  /**
   * Events of one topic after each partition's position (exclusive; absent means from the beginning), or before it
   * when `backwards` (absent means from the end). At most `limit` records, ordered by recorded time, then partition, then
   * position; of each partition without gaps. With `waitMs` an empty answer is held back until something comes.
   */
  read(query: ReadQuery): Promise<readonly StoredRecord[]>

  /**
   * Per partition: the head, the group's settled position, and how many events lie between them, corrected by what is
   * settled ahead. Constant cost per partition. Throws `group_unknown`, `topic_unknown`.
   */
  lag(topic: string, group: string): Promise<readonly PartitionLag[]>

  /** Moves a group in one topic, whoever owns it (tokens are raised, so running members are fenced off). */
  seek(group: string, topic: string, to: StartAt): Promise<void>

  /** Removes a topic with its events, or a group with its progress, side lane and dead letters. */
  remove(what: { readonly topic: string } | { readonly group: string }): Promise<void>
}

/** Where a group begins: a time is milliseconds since the epoch; a position list is exclusive (the last one seen). */
export type StartAt =
  | 'earliest'
  | 'latest'
  | { readonly time: number }
  | { readonly after: readonly PartitionPosition[] }

/** A position with its partition. */
export interface PartitionPosition {
  readonly partition: number
  readonly position: Position
}

export interface TopicOptions {
  /** Only for a new topic. */
  readonly partitions?: number
  readonly retention?: Retention
}

/**
 * What may be dropped from a topic: whatever is beyond any of these limits. Absent means without limit. Without a cap, what was published together
 * may wait for one another and go together.
 */
export interface Retention {
  readonly maxAgeMs?: number
  readonly maxEvents?: number
  readonly maxBytes?: number
  /**
   * What happens to events that some group has not settled: `keep` (default) never drops them and refuses publishes
   * with `topic_full` when `maxEvents` or `maxBytes` is reached by them alone; `expire` drops and counts them.
   */
  readonly whenUnread?: 'keep' | 'expire'
}

export interface Listing {
  readonly topics: readonly TopicInfo[]
  readonly groups: readonly GroupInfo[]
  /**
   * Names the history of the log. Under another name the newest events may be gone, and their positions those of others: after a failover to a copy
   * that was behind, or a restore. Absent where the engine cannot tell.
   */
  readonly timeline?: string
}

export interface TopicInfo {
  readonly topic: string
  readonly partitions: number
  /** Raised when the number of partitions changes. */
  readonly epoch: number
  readonly retention: Retention
  /** Events stored since the topic was made, and those still held. */
  readonly published: number
  readonly held: number
  /** Bytes of the held bodies, approximate. */
  readonly bytes: number
  /** Unread events dropped by `whenUnread: 'expire'`. */
  readonly expiredUnread: number
}

export interface GroupInfo {
  readonly group: string
  readonly topics: readonly string[]
}

export interface PartitionLag {
  readonly partition: number
  readonly head: Position | undefined
  readonly settled: Position | undefined
  /** Events not settled. */
  readonly lag: number
  readonly exact: boolean
  /** When the oldest event that is not settled was recorded, in milliseconds since the epoch. */
  readonly oldestUnsettledAt: number | undefined
}

export interface ReadQuery {
  readonly topic: string
  readonly after?: readonly PartitionPosition[]
  /** Inclusive lower and exclusive upper bound of the recorded time, in milliseconds since the epoch. */
  readonly since?: number
  readonly until?: number
  readonly type?: string
  readonly key?: string
  /** 1 to 10,000. */
  readonly limit: number
  readonly backwards?: boolean
  readonly partition?: number
  readonly waitMs?: number
  readonly signal?: AbortSignal
}

export interface ConsumeOptions {
  readonly topic: string
  readonly group: string
  /** The partitions that this member owns, each with its fencing token and the position after which to read. */
  readonly partitions: readonly OwnedPartition[]
}

export interface OwnedPartition {
  readonly partition: number
  readonly token: number
  /** Undefined means from the beginning of what is held. */
  readonly after: Position | undefined
}

/** Reads a member's partitions and commits its progress. One call of each kind at a time. */
export interface Consumer {
  /**
   * The next events of the partitions that are not in `paused`, in position order within each. Waits until there is at
   * least one, the signal fires or the consumer is closed; then it resolves with what it has, perhaps nothing. A fair
   * share is given to each partition, so that a long backlog in one does not starve the others.
   */
  fetch(options: {
    readonly max: number
    readonly paused?: ReadonlySet<number>
    readonly signal?: AbortSignal
    /**
     * The driver may store the fetched-high mark of what it returns in the same step, under the tokens; see `marked`.
     * A `settle` that was under way meanwhile does not take the mark back.
     */
    readonly mark?: boolean
  }): Promise<readonly StoredRecord[]>

  /**
   * Up to where fetches with `mark` have stored the mark of a partition, under its token, perhaps beyond what they have
   * returned; the core stores what lies beyond. Absent in a driver that never stores it: it saves a round trip before an
   * event is handed to its handler.
   */
  marked?(partition: number): Position | undefined

  /**
   * Stores progress under each partition's token: all of one partition or nothing. Resolves, when a crash of the process
   * cannot undo it, with the partitions that were refused because their token has moved on. It may be less durable
   * than events: what a power cut takes of it is delivered again.
   */
  settle(progress: readonly PartitionProgress[]): Promise<{ readonly fenced: readonly number[] }>

  /** Stops waiting fetches and forgets the partitions. Idempotent. Progress and leases stay as they are. */
  close(): Promise<void>
}

/** Durable progress of a group in one partition, as the core's tracker keeps it. */
export interface Progress {
  /** Everything up to here is settled. */
  readonly settled: Position | undefined
  /** Settled beyond it, in order. */
  readonly ahead: readonly PositionRange[]
  /** Nothing after this has been handed to a handler: what lies between is suspect after an unclean end. */
  readonly fetchedHigh: Position | undefined
  /** How many positions of this partition are settled in `ahead`. */
  readonly aheadCount: number
  /** Failures of events that are not settled yet. */
  readonly attempts: readonly AttemptMark[]
  /** The one suspect that is being run alone, and how often the process has died while it ran. */
  readonly starting?: { readonly position: Position; readonly deaths: number }
}

/** What a position has gone through: failed attempts, the first failure, and since when (monotonic is not stored). */
export interface AttemptMark {
  readonly position: Position
  readonly attempts: number
  readonly firstFailedAt: number
}

export interface PartitionProgress extends Progress {
  readonly partition: number
  readonly token: number
  /** How many more events `settled` and `ahead` cover than at the last settle: keeps `lag` constant in cost. */
  readonly newlySettled: number
}
