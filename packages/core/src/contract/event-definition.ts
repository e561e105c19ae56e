import type { EventMessage, EventMetadata } from './event.ts'
import type { StandardSchema } from './standard-schema.ts'

/** What `create` and `publish` accept beside the data. What is absent is filled in. */
export interface CreateOptions extends Partial<EventMetadata> {
  readonly id?: string
  readonly source?: string
  readonly subject?: string
  /** Overrides the key that the definition computes. */
  readonly key?: string
  /** RFC 3339, or a Date; now when absent. */
  readonly timestamp?: string | Date
}

/** An event type with its schema, versions, topic and key; what `defineEvent` returns. */
export interface EventDefinition<
  Type extends string = string,
  Input = never,
  Output = unknown,
  Topic extends string = string,
> {
  readonly type: Type
  /** The version that publishers write and handlers see. */
  readonly version: number
  readonly topic: Topic
  readonly description: string | undefined
  /** The schema of the latest version. */
  readonly schema: StandardSchema<Input, Output>
  /** Versions that `read` can bring to the latest, oldest first. */
  readonly earlierVersions: readonly number[]

  /**
   * Validates data and gives the message. Throws `event_schema_violation`, `event_not_json`, `event_forbidden_key`,
   * `limit_exceeded`, `event_malformed` (an attribute), each with the path; `event_definition_invalid` when the schema is
   * asynchronous.
   */
  create(data: Input, options?: CreateOptions): EventMessage<Output, Type>

  /**
   * Brings the data of a stored version to the latest, through the upcasters. Does not validate what is at the latest
   * version already. Throws `event_unknown_version`, `event_upcast_failed`.
   */
  upcast(data: unknown, version: string): Output

  /** The order key of data, unchecked; undefined where the definition has no rule. */
  keyOf(data: Output): string | undefined
  /** The entity that data is about, unchecked; undefined where the definition has no rule. */
  subjectOf(data: Output): string | undefined
}

/** The topic of a type that names no other: its first segment. */
export type DefaultTopic<Type extends string> = Type extends `${infer First}.${string}` ? First : Type

/** Any definition, for lists and catalogues. */
// oxlint-disable-next-line typescript/no-explicit-any -- the input is contravariant: only `any` accepts every definition
export type AnyEventDefinition = EventDefinition<string, any, any>

/** The data of a definition as handlers see it. */
export type EventData<Definition> = Definition extends { upcast(data: unknown, version: string): infer Output }
  ? Output
  : never
/** What a publisher of a definition passes in. */
export type EventInput<Definition> = Definition extends { create(data: infer Input, options?: CreateOptions): unknown }
  ? Input
  : never
/** The message of a definition as handlers see it. */
export type EventOf<Definition extends AnyEventDefinition> = Definition extends AnyEventDefinition
  ? EventMessage<EventData<Definition>, Definition['type']>
  : never
