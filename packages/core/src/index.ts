/** Millrace: typed events through one engine. */
export { createMillrace } from './backbone/create-millrace.ts'
export { createEventClient } from './backbone/create-event-client.ts'
export type {
  EventClient,
  EventClientBase,
  EventClientOptions,
  PublishMethods,
  Spooled,
  Streams,
} from './backbone/create-event-client.ts'
export type { BatchOptions, InTransaction, Millrace, MillraceOptions } from './backbone/millrace.ts'
export type { Selection } from './runtime/selection.ts'
export type { DeadLetterFilter } from './bus/dead-letter-filter.ts'
export type { DeadLetterAction, DeadLetterCountView, DeadLetters, DeadLetterView } from './bus/dead-letters.ts'
export { channels } from './bus/diagnostics.ts'
export type {
  HandleDiagnosis,
  IncidentDiagnosis,
  LoopLagDiagnosis,
  OperationDiagnosis,
  PublishDiagnosis,
  RelayDiagnosis,
  StoreDiagnosis,
  TaskDiagnosis,
  WorkerDiagnosis,
} from './bus/diagnostics.ts'
export type { FollowedChunk, FollowedEvent, FollowedText } from './bus/followed-chunk.ts'
export type { FollowOptions } from './bus/following.ts'
export { reject, retry } from './bus/handler.ts'
export type { Delivery, Handler, HandlerResult, Middleware } from './bus/handler.ts'
export type { InboxDelivery, InboxHandler, InboxHandlerResult, InboxOptions } from './bus/inbox-handler.ts'
export type { GroupStatus, PartitionStatus, TopicStatus } from './bus/inspection.ts'
export type { Enlisted, OutboxView } from './bus/outbox.ts'
export type { Published, PublishResult } from './bus/publishing.ts'
export type { Page, ReadOptions } from './bus/reading.ts'
export type { Replayed, ReplayOptions } from './bus/replay.ts'
export type { StoredText } from './bus/stored-event.ts'
export type { RetryPolicy, SubscribeOptions, Subscription } from './bus/subscription.ts'
export { defineEvent } from './contract/define-event.ts'
export type {
  AnyEventDefinition,
  CreateOptions,
  EventData,
  EventDefinition,
  EventInput,
  EventOf,
} from './contract/event-definition.ts'
export type { EventMessage, EventMetadata, EventPosition, StoredEvent } from './contract/event.ts'
export type { Durability } from './driver/capabilities.ts'
export type { Finding } from './driver/driver.ts'
export type { HandlerTransaction, SqlStatement, SqlValue } from './driver/inbox-store.ts'
export type { FailingRow, OutboxStatus } from './driver/outbox-store.ts'
export { defineQueue } from './tasks/define-queue.ts'
export { defineTask, type DefineTaskOptions } from './tasks/define-task.ts'
export type { Dedupe } from './tasks/dedupe.ts'
export type { EnqueueInTransaction, EnqueueManyOptions, EnqueueOptions } from './tasks/enqueue-options.ts'
export { prepareTask, type PrepareContext } from './tasks/prepare-task.ts'
export { PRIORITIES, type Priority, type PriorityName } from './tasks/priority.ts'
export type { Progress, ProgressReport } from './tasks/progress.ts'
export type { Keep, QueueDefinition, QueueOptions, Rate } from './tasks/queue-definition.ts'
export type { QueueOperations, QueueView } from './tasks/queue-operations.ts'
export type { BackoffRule, TaskBackoff } from './tasks/retries.ts'
export type { ScheduleOperations, ScheduleOptions, ScheduleRule, ScheduleView } from './tasks/schedule-operations.ts'
export type { TaskCalls } from './tasks/task-calls.ts'
export type {
  AnyTaskDefinition,
  TaskData,
  TaskDefinition,
  TaskInput,
  TaskOutput,
  TaskReturned,
} from './tasks/task-definition.ts'
export type { TaskExplanation, WaitReason } from './tasks/task-explanation.ts'
export type { ChildResult, TaskFlow } from './tasks/task-flow.ts'
export type { ResultOptions, TaskHandle } from './tasks/task-handle.ts'
export { done } from './tasks/task-handler.ts'
export type {
  BatchedTask,
  BatchHandler,
  BatchResult,
  Done,
  PooledHandler,
  TaskContext,
  TaskHandler,
  TaskMetadata,
} from './tasks/task-handler.ts'
export type {
  ActionOptions,
  AddOptions,
  TaskAction,
  TaskFilter,
  TaskOperations,
  WorkerInfo,
} from './tasks/task-operations.ts'
export type { TaskFailure, TaskView } from './tasks/task-view.ts'
export type { BatchOptions as TaskBatchOptions, Worker, WorkerStatus, WorkOptions } from './tasks/worker.ts'
export { TASK_STATES, type TaskState } from './driver/task.ts'
export type { StartOptions, Target, Targets } from './bus/targets.ts'
export type {
  CallOptions,
  CircuitStatus,
  ModeFigures,
  Operation,
  OperationCall,
  OperationChange,
  OperationOf,
  OperationOptions,
  Operations,
  OperationSettings,
  OperationStatus,
  OperationTask,
  OperationView,
  RouteReason,
  RunContext,
} from './operations/operation.ts'
export { planScale, splitSlots } from './operations/scaling.ts'
export type { ScalePlan, ScaleSample, ScaleState, ScaleTargets } from './operations/scaling.ts'
export { isMillraceError, MillraceError } from './runtime/error.ts'
export type { ErrorCode } from './runtime/error-codes.ts'
export type { Log } from './runtime/log.ts'
export type { Runtime } from './runtime/runtime.ts'
export { systemRuntime } from './runtime/system-runtime.ts'
