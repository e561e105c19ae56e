import type { AnyEventDefinition, CreateOptions, EventInput, EventOf } from '../contract/event-definition.ts'
import type { EventMessage, StoredEvent } from '../contract/event.ts'
import type { Limits } from '../contract/limits.ts'
import type { Capabilities, Durability } from '../driver/capabilities.ts'
import type { DeadLetterCount } from '../driver/dead-letter-store.ts'
import type { Engine, Finding } from '../driver/driver.ts'
import type { Retention, TopicInfo } from '../driver/transport.ts'
import type { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Handler, Middleware } from '../bus/handler.ts'
import type { SubscribeOptions, Subscription } from '../bus/subscription.ts'

/** Options of `createMillrace`. */
export interface MillraceOptions {
  /** The engine that moves and keeps the events: `sqlite('./file.db')`, `memory()`. */
  readonly engine: Engine
  /** The name of this service: the default source (`/<name>`) and the label of its members. Default `app`. */
  readonly name?: string
  /** Definitions that tools list; those that are published or subscribed to join by themselves. */
  readonly events?: readonly AnyEventDefinition[]
  /** Settings of topics, applied when the topic is made. */
  readonly topics?: Readonly<Record<string, { readonly partitions?: number; readonly retention?: Retention }>>
  /** Refuses to start below this level. */
  readonly durability?: { readonly atLeast: Durability }
  readonly limits?: Partial<Limits>
  readonly middleware?: readonly Middleware[]
  /** Milliseconds after which a silent member is held for dead. Default 5,000. */
  readonly leaseMs?: number
  /** Milliseconds that one publish may take, resends included, before it is `unknown`. Default 10,000. */
  readonly publishTimeoutMs?: number
  /** Publishes that may wait at once before `publish_backpressure`. Default 100,000. */
  readonly maxPending?: number
  /** Failures that no caller can hear of. Default: the runtime's log. */
  readonly onError?: (error: unknown) => void
  readonly runtime?: Runtime
}

/** A published event's place. */
export interface Published {
  readonly outcome: 'stored'
  readonly id: string
  readonly topic: string
  readonly partition: number
  readonly position: string
  /** An opaque place just before the event: `waitFor` and `follow` take it. */
  readonly cursor: string
  /** Whether it had been stored before. */
  readonly duplicate: boolean
}

/** What became of one event of a batch. */
export type PublishResult =
  | Published
  | { readonly outcome: 'rejected' | 'unknown'; readonly id: string; readonly error: MillraceError }

export interface ReadOptions {
  /** One topic or several; all when absent. */
  readonly topics?: readonly string[]
  readonly types?: readonly string[]
  readonly key?: string
  /** An opaque cursor, or a time. */
  readonly after?: string | Date
  readonly until?: Date
  /** Default 100, at most 1,000. */
  readonly limit?: number
  readonly backwards?: boolean
}

export interface Page {
  readonly events: readonly StoredEvent[]
  /** For the next page; undefined when a backwards or bounded reading is at its end. */
  readonly next: string | undefined
}

export interface FollowOptions {
  readonly topics?: readonly string[]
  /** Exact types or patterns such as `order.*`. */
  readonly types?: readonly string[]
  readonly from?: 'latest' | 'earliest' | Date | { readonly cursor: string }
  readonly signal?: AbortSignal
}

/** A bit of the log with the cursor after it. The first has no events and says where the following really began. */
export interface FollowedChunk {
  readonly events: readonly (StoredEvent & { readonly cursor: string })[]
  readonly cursor: string
  /** False when retention has dropped events after the cursor that was asked for. */
  readonly recovered: boolean
}

export interface TopicStatus extends TopicInfo {
  readonly groups: readonly string[]
}

export interface GroupStatus {
  readonly group: string
  readonly topics: readonly string[]
  readonly filter: readonly string[]
  readonly members: readonly { readonly member: string; readonly label: string; readonly partitions: number }[]
  readonly lag: number
  readonly lagExact: boolean
  /** Age in milliseconds of the oldest event that is not settled. */
  readonly oldestMs: number | undefined
  readonly lane: { readonly waiting: number; readonly due: number; readonly parked: number; readonly keys: number }
  readonly deadLetters: number
  readonly partitions: readonly {
    readonly topic: string
    readonly partition: number
    readonly owner: string | undefined
    readonly head: string | undefined
    readonly settled: string | undefined
    readonly lag: number
  }[]
}

export interface DeadLetterFilter {
  readonly group?: string
  readonly fingerprint?: string
  readonly topic?: string
  readonly type?: string
  readonly eventId?: string
  readonly since?: Date
  readonly until?: Date
  readonly after?: string
  /** Default 100, at most 1,000. */
  readonly limit?: number
}

/** A dead letter as tools see it. */
export interface DeadLetterView {
  readonly id: string
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly position: string
  /** The event if its envelope can be read. */
  readonly event: EventMessage | undefined
  readonly eventId: string
  readonly eventType: string
  /** The original bytes. */
  readonly body: string
  readonly error: { readonly code: string; readonly message: string; readonly stack: string | undefined }
  readonly attempts: number
  readonly firstFailedAt: string
  readonly lastFailedAt: string
  readonly fingerprint: string
}

export interface DeadLetters {
  list(filter?: DeadLetterFilter): Promise<readonly DeadLetterView[]>
  counts(filter?: { readonly group?: string }): Promise<readonly DeadLetterCount[]>
  /** Throws `dead_letter_unknown`. */
  get(id: string): Promise<DeadLetterView>
  /** Hands letters back to their group, attempts reset; a filter takes all that match. Idempotent. */
  requeue(
    what: readonly string[] | DeadLetterFilter,
    options?: { readonly dryRun?: boolean },
  ): Promise<{ readonly ids: readonly string[]; readonly dryRun: boolean }>
  /** Requeues with other data, under a new id whose `metadata.extensions.editedfrom` names the original; validated by the definition if there is one. */
  edit(
    id: string,
    data: unknown,
    options?: { readonly by?: string },
  ): Promise<{ readonly id: string; readonly eventId: string }>
  discard(
    what: readonly string[] | DeadLetterFilter,
    options?: { readonly dryRun?: boolean },
  ): Promise<{ readonly ids: readonly string[]; readonly dryRun: boolean }>
}

export interface ReplayOptions {
  /** The group that sees the events again; it must exist. */
  readonly group: string
  readonly topics?: readonly string[]
  readonly types?: readonly string[]
  readonly key?: string
  /** Inclusive; a cursor is exclusive. */
  readonly from: Date | 'earliest' | { readonly cursor: string }
  /** Exclusive. Default: now. */
  readonly to?: Date
  /** Events a second; without limit when absent. */
  readonly rate?: number
  readonly dryRun?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (replayed: number) => void
}

/** The backbone of one process. */
export interface Millrace {
  readonly name: string
  /** Opens the engine; the other calls do so by themselves. Throws `engine_*`, `durability_too_low`. */
  start(): Promise<void>
  readonly capabilities: Capabilities
  /** All definitions known so far. */
  readonly catalog: readonly AnyEventDefinition[]

  /** Stores one event. Throws a `MillraceError` when it is not stored (`publish_rejected`, ...) or not known to be (`publish_unknown`). */
  publish<Definition extends AnyEventDefinition>(
    definition: Definition,
    data: EventInput<Definition>,
    options?: CreateOptions,
  ): Promise<Published>
  publish(event: EventMessage): Promise<Published>
  /** Stores many, one result each, in the order given. Throws only `closed`, `limit_exceeded` (more than 1,000) or for a value that is no event. */
  publishBatch(
    events: readonly EventMessage[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<readonly PublishResult[]>

  /** Handles every event of a type, of several, or of a pattern (`order.*`, untyped), in a durable group. */
  subscribe<const Definitions extends AnyEventDefinition | readonly AnyEventDefinition[]>(
    events: Definitions,
    handler: Handler<
      EventOf<
        Definitions extends readonly AnyEventDefinition[]
          ? Definitions[number]
          : Extract<Definitions, AnyEventDefinition>
      >
    >,
    options: SubscribeOptions,
  ): Promise<Subscription>
  subscribe(pattern: string, handler: Handler<EventMessage>, options: SubscribeOptions): Promise<Subscription>

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
  replay(
    options: ReplayOptions,
  ): Promise<{ readonly matched: number; readonly replayed: number; readonly dryRun: boolean }>
  diagnose(options?: { readonly verify?: boolean }): Promise<readonly Finding[]>

  /** Stops subscriptions (finish or give back, time-boxed), flushes publishes, closes the engine. Idempotent. */
  close(options?: { readonly timeoutMs?: number }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
