import type { AnyEventDefinition, CreateOptions, EventInput, EventOf } from '../contract/event-definition.ts'
import type { EventMessage, StoredEvent } from '../contract/event.ts'
import type { Limits } from '../contract/limits.ts'
import type { Capabilities, Durability } from '../driver/capabilities.ts'
import type { Engine, Finding } from '../driver/driver.ts'
import type { Retention } from '../driver/transport.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { DeadLetters } from '../bus/dead-letters.ts'
import type { FollowedChunk } from '../bus/followed-chunk.ts'
import type { FollowOptions } from '../bus/following.ts'
import type { Handler, Middleware } from '../bus/handler.ts'
import type { InboxHandler, InboxOptions } from '../bus/inbox-handler.ts'
import type { GroupStatus, TopicStatus } from '../bus/inspection.ts'
import type { Enlisted, OutboxView } from '../bus/outbox.ts'
import type { Published, PublishResult } from '../bus/publishing.ts'
import type { Page, ReadOptions } from '../bus/reading.ts'
import type { Replayed, ReplayOptions } from '../bus/replay.ts'
import type { SubscribeOptions, Subscription } from '../bus/subscription.ts'
import type { OperationOf, OperationOptions, Operations, OperationTask } from '../operations/operation.ts'
import type { AnyTaskDefinition } from '../tasks/task-definition.ts'
import type { TaskCalls } from '../tasks/task-calls.ts'

/** Options of `createMillrace`. */
export interface MillraceOptions {
  /** The engine that moves and keeps the events: `sqlite('./file.db')`, `memory()`. Or a `transport` with a `store`. */
  readonly engine?: Engine
  /** The broker that moves the events, with a `store` beside it. */
  readonly transport?: Engine
  /** The SQL database of outbox and inbox when the events move through a `transport`. */
  readonly store?: Engine
  /**
   * Database first: publishes go to this log of record, a relay feeds the transport from it, and each subscription chooses by
   * `via` which of the two it reads. Usually the engine of the store.
   */
  readonly log?: Engine
  /** False leaves the forwarding of outbox and log to other processes. Default true. */
  readonly relay?: boolean
  /** The name of this service: the default source (`/<name>`) and the label of its members. Default `app`. */
  readonly name?: string
  /** Definitions that tools list; those that are published or subscribed to join by themselves. */
  readonly events?: readonly AnyEventDefinition[]
  /** Definitions of tasks that tools list; those that are added or worked on join by themselves. */
  readonly taskDefinitions?: readonly AnyTaskDefinition[]
  /** Settings of topics, applied when the topic is made. */
  readonly topics?: Readonly<Record<string, { readonly partitions?: number; readonly retention?: Retention }>>
  /** Refuses to start below this level. */
  readonly durability?: { readonly atLeast: Durability }
  readonly limits?: Partial<Limits>
  readonly middleware?: readonly Middleware[]
  /** Milliseconds after which a silent member is held for dead. Default 5,000. */
  readonly leaseMs?: number
  /**
   * Milliseconds until a publish or an enqueue has its outcome, the opening of the engine, resends and sendings without an answer included: then it is
   * `unknown`, or rejected when it was not sent. What stands in a line that moves is given more. Default 10,000, at least 1.
   */
  readonly publishTimeoutMs?: number
  /** Publishes that may wait at once before `publish_backpressure`. Default 100,000. */
  readonly maxPending?: number
  /** Failures that no caller can hear of. Default: the runtime's log. */
  readonly onError?: (error: unknown) => void
  readonly runtime?: Runtime
}

/** The definitions of a list, or the one that is given alone. */
type OneOf<Definitions> = Definitions extends readonly AnyEventDefinition[]
  ? Definitions[number]
  : Extract<Definitions, AnyEventDefinition>

/** The caller's own transaction, open in the database of the engine or of the store. */
export interface InTransaction {
  /**
   * SQLite: a `DatabaseSync` of `node:sqlite` on the same file. PostgreSQL: a client of `pg`, or the transaction of a query
   * builder through its adapter. In a handler with an inbox: its `tx`.
   */
  readonly tx: object
}

/** Options of `publishBatch`. */
export interface BatchOptions {
  readonly signal?: AbortSignal
  /**
   * True: the events come from `decodeEvent`, `decodeBatch` or `create` with the default limits, unchanged, and are not checked
   * a second time, which is a third of what publishing costs the thread of the caller; unless this backbone has `limits` of its own.
   */
  readonly checked?: boolean
}

/** The backbone of one process. */
export interface Millrace extends TaskCalls {
  readonly name: string
  /** Opens the engine; the other calls do so by themselves. Throws `engine_*`, `durability_too_low`. */
  start(): Promise<void>
  readonly capabilities: Capabilities
  /** All definitions known so far. */
  readonly catalog: readonly AnyEventDefinition[]

  /** Makes a message without publishing it: with this service's source and session, in the flow of the event being handled. Throws as `create` of the definition. */
  create<Definition extends AnyEventDefinition>(
    definition: Definition,
    data: EventInput<Definition>,
    options?: CreateOptions,
  ): EventOf<Definition>

  /**
   * Makes the event part of the caller's own SQL transaction: it is published when that commits, and never when it rolls back.
   * Throws `transaction_invalid`, `capability_missing`, and what the event itself does not allow; then roll back.
   */
  publish<Definition extends AnyEventDefinition>(
    definition: Definition,
    data: EventInput<Definition>,
    options: CreateOptions & InTransaction,
  ): Promise<Enlisted>
  publish(event: EventMessage, options: InTransaction): Promise<Enlisted>
  /** Stores one event. Throws a `MillraceError` when it is not stored (`publish_rejected`, ...) or not known to be (`publish_unknown`). */
  publish<Definition extends AnyEventDefinition>(
    definition: Definition,
    data: EventInput<Definition>,
    options?: CreateOptions,
  ): Promise<Published>
  publish(event: EventMessage): Promise<Published>
  /** Makes all of them part of the caller's transaction, or throws and leaves it as it was. */
  publishBatch(events: readonly EventMessage[], options: InTransaction): Promise<readonly Enlisted[]>
  /** Stores many, one result each, in the order given. Throws only `limit_exceeded` (too many or too large together). */
  publishBatch(events: readonly EventMessage[], options?: BatchOptions): Promise<readonly PublishResult[]>

  // A call that fits none is explained by the last: so that with definitions stands at the end.
  /** Handles every event of a pattern (`order.*`, untyped), and applies what the handler writes through `tx` once. */
  subscribe(
    pattern: string,
    handler: InboxHandler<EventMessage>,
    options: SubscribeOptions & { readonly inbox: true | InboxOptions },
  ): Promise<Subscription>
  /** Handles every event of a pattern (`order.*`, untyped), in a durable group. */
  subscribe(pattern: string, handler: Handler<EventMessage>, options: SubscribeOptions): Promise<Subscription>
  /** Handles every event, and applies what the handler writes through `tx` once; see `SubscribeOptions.inbox`. */
  subscribe<const Definitions extends AnyEventDefinition | readonly AnyEventDefinition[]>(
    events: Definitions,
    handler: InboxHandler<EventOf<OneOf<Definitions>>>,
    options: SubscribeOptions & { readonly inbox: true | InboxOptions },
  ): Promise<Subscription>
  /** Handles every event of a type, or of several, in a durable group. */
  subscribe<const Definitions extends AnyEventDefinition | readonly AnyEventDefinition[]>(
    events: Definitions,
    handler: Handler<EventOf<OneOf<Definitions>>>,
    options: SubscribeOptions,
  ): Promise<Subscription>

  /** Publishes a request and resolves with the first reply of its correlation. Throws `wait_timeout`. */
  request<Request extends AnyEventDefinition, Reply extends AnyEventDefinition>(
    request: Request,
    data: EventInput<Request>,
    options: CreateOptions & { readonly reply: Reply; readonly timeout?: number; readonly signal?: AbortSignal },
  ): Promise<EventOf<Reply>>
  /** The first event of a type and correlation after `after` (default: now). Throws `wait_timeout`, `aborted`. */
  waitFor<Definition extends AnyEventDefinition>(
    definition: Definition,
    options: {
      readonly correlationId: string
      readonly timeout?: number
      readonly after?: string
      readonly signal?: AbortSignal
    },
  ): Promise<EventOf<Definition>>

  read(options?: ReadOptions): Promise<Page>
  follow(options?: FollowOptions): AsyncIterable<FollowedChunk>
  find(id: string, source?: string): Promise<readonly StoredEvent[]>
  trace(correlationId: string): Promise<readonly StoredEvent[]>

  topics(): Promise<readonly TopicStatus[]>
  groups(): Promise<readonly GroupStatus[]>
  readonly deadLetters: DeadLetters
  /** Events of committed transactions that wait to be forwarded. */
  readonly outbox: OutboxView
  /**
   * Work that is done here or as a task, whichever is right at the moment: by its mode, which can be changed while it runs, and here
   * within limits while the queue is down. Throws `operation_invalid`, `capability_missing`.
   */
  operation<const Task extends OperationTask>(name: string, options: OperationOptions<Task>): OperationOf<Task>
  /** All operations, for tools: also those of other processes, as far as the store knows them. */
  readonly operations: Pick<Operations, 'list' | 'get' | 'change'>
  replay(options: ReplayOptions): Promise<Replayed>
  diagnose(options?: { readonly verify?: boolean }): Promise<readonly Finding[]>

  /** Stops subscriptions (finish or give back, time-boxed), flushes publishes, closes the engine. Idempotent. */
  close(options?: { readonly timeoutMs?: number }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
