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
export type { DeadLetterAction, DeadLetterFilter, DeadLetters, DeadLetterView } from './bus/dead-letters.ts'
export { channels } from './bus/diagnostics.ts'
export type {
  HandleDiagnosis,
  IncidentDiagnosis,
  LoopLagDiagnosis,
  PublishDiagnosis,
  RelayDiagnosis,
  StoreDiagnosis,
} from './bus/diagnostics.ts'
export type { FollowedChunk, FollowedEvent, FollowOptions } from './bus/following.ts'
export { reject, retry } from './bus/handler.ts'
export type { Delivery, Handler, HandlerResult, Middleware } from './bus/handler.ts'
export type { InboxDelivery, InboxHandler, InboxHandlerResult, InboxOptions } from './bus/inbox-handler.ts'
export type { GroupStatus, PartitionStatus, TopicStatus } from './bus/inspection.ts'
export type { Enlisted, OutboxView } from './bus/outbox.ts'
export type { Published, PublishResult } from './bus/publishing.ts'
export type { Page, ReadOptions } from './bus/reading.ts'
export type { Replayed, ReplayOptions } from './bus/replay.ts'
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
export type { DeadLetterCount } from './driver/dead-letter-store.ts'
export type { Finding } from './driver/driver.ts'
export type { HandlerTransaction, SqlStatement, SqlValue } from './driver/inbox-store.ts'
export type { FailingRow, OutboxStatus } from './driver/outbox-store.ts'
export { isMillraceError, MillraceError } from './runtime/error.ts'
export type { ErrorCode } from './runtime/error-codes.ts'
export type { Log } from './runtime/log.ts'
export type { Runtime } from './runtime/runtime.ts'
export { systemRuntime } from './runtime/system-runtime.ts'
