/** What a driver needs: the ports, the pure code that drivers share, and the runtime. */
export type { Capabilities, Capability, CapabilityLevel, Durability } from './driver/capabilities.ts'
export { DURABILITY_LEVELS, isAtLeast } from './driver/capabilities.ts'
export type {
  DeadLetter,
  DeadLetterCount,
  DeadLetterQuery,
  DeadLetterStore,
  NewDeadLetter,
} from './driver/dead-letter-store.ts'
export type { Driver, Engine, Finding, Stores } from './driver/driver.ts'
export type {
  HandlerTransaction,
  InboxEntry,
  InboxStore,
  InboxWork,
  SqlStatement,
  SqlValue,
} from './driver/inbox-store.ts'
export type {
  EventPlace,
  LaneChanges,
  LaneCounts,
  LaneEntry,
  LaneKey,
  LaneStore,
  NewLaneEntry,
} from './driver/lane-store.ts'
export type {
  GroupFilter,
  GroupView,
  HeartbeatOptions,
  LeaseStore,
  MemberInfo,
  PartitionClaim,
  PartitionLease,
} from './driver/lease-store.ts'
export type { LogIndex } from './driver/log-index.ts'
export { murmur2, partitionOf } from './driver/murmur2.ts'
export type {
  FailingRow,
  OutboxChanges,
  OutboxHints,
  OutboxRecord,
  OutboxRow,
  OutboxStatus,
  OutboxStore,
  RelayLease,
} from './driver/outbox-store.ts'
export type { Position, PositionRange } from './driver/position.ts'
export type { PublishOutcome, PublishRecord, StoredRecord } from './driver/record.ts'
export type {
  AttemptMark,
  ConsumeOptions,
  Consumer,
  GroupInfo,
  OwnedPartition,
  PartitionLag,
  PartitionPosition,
  PartitionProgress,
  Progress,
  ReadQuery,
  Retention,
  StartAt,
  TopicInfo,
  TopicOptions,
  Transport,
} from './driver/transport.ts'
export { eventDigest } from './contract/event-digest.ts'
export { abortedError, throwIfAborted, wait } from './runtime/abort.ts'
export { isMillraceError, MillraceError } from './runtime/error.ts'
export type { ErrorCode } from './runtime/error-codes.ts'
export type { Log, LogFields } from './runtime/log.ts'
export type { Runtime, Timer } from './runtime/runtime.ts'
export { unknownOption } from './driver/unknown-option.ts'
