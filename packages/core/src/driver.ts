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
  LaneNext,
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
  Listing,
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
export type { ScheduleRow, ScheduleStore } from './driver/schedule-store.ts'
export type { Setting, SettingStore } from './driver/setting-store.ts'
export type { QueueSettings, TaskRate, TaskRetention } from './driver/queue-settings.ts'
export type { DeadTaskCount, QueueStatus, TaskAdmin, TaskChange, TaskQuery } from './driver/task-admin.ts'
export type {
  ClaimedTask,
  ClaimedTasks,
  EnqueueOutcome,
  TaskClaim,
  TaskExchange,
  TaskExchanged,
  TaskHints,
  TaskNote,
  TaskSettle,
  TaskStore,
} from './driver/task-store.ts'
export type { ChildOutcome, NewTask, TaskDedupe, TaskError, TaskRow, TaskState } from './driver/task.ts'
export { addingUnknown } from './driver/adding-unknown.ts'
export { ENQUEUE_PATIENCE_MS } from './driver/task-store.ts'
export { freshFlows } from './driver/fresh-flows.ts'
export { roomIn, WAITING_STATES, withoutRoom } from './driver/room.ts'
export { DEFAULT_QUEUE_SETTINGS } from './driver/queue-settings.ts'
export { TASK_STATES } from './driver/task.ts'
export { createTopicChanges, type TopicChanges } from './driver/sql/topic-changes.ts'
export { deadLetterOf, type DeadLetterRow, numberOfLetter } from './driver/sql/dead-letter-row.ts'
export {
  decodeProgress,
  decodeRanges,
  encodeProgress,
  type ProgressRow,
  type SettleRow,
} from './driver/sql/progress-row.ts'
export { optionalPosition, positionOf, seqOf } from './driver/sql/sequence.ts'
