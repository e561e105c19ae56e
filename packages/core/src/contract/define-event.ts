import { MillraceError } from '../runtime/error.ts'
import { systemRuntime } from '../runtime/system-runtime.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { isAsyncFunction } from '../runtime/user-rule.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'
import { createEvent, type CreateContext } from './create-event.ts'
import type { DefaultTopic, EventDefinition } from './event-definition.ts'
import { assertEventType, assertTopicName, topicOf } from './event-name.ts'
import { resolveLimits, type Limits } from './limits.ts'
import type { SchemaInput, SchemaOutput, StandardSchema } from './standard-schema.ts'
import { createUpcaster } from './upcaster.ts'

/** A version that is no longer written: its schema, and the step to the next version. */
export interface EarlierVersion<Schema> {
  readonly schema: Schema
  /** Gives the data of the next version: what its schema takes. */
  readonly up: (data: SchemaOutput<Schema>) => unknown
}

/** What `defineEvent` takes beside the type. */
export interface DefineEventOptions<Schema, Earlier, Topic extends string = string> {
  /** Of the latest version: any Standard Schema (Zod, Valibot, ArkType, ...), synchronous. */
  readonly schema: Schema
  /** The latest version, a whole number from 1. Default 1. */
  readonly version?: number
  /** The versions before it that readers still understand, without a gap up to the latest. */
  readonly earlier?: { readonly [Version in keyof Earlier]: EarlierVersion<Earlier[Version]> }
  /** Default: the first segment of the type. */
  readonly topic?: Topic
  /** Events with the same key are handled in order. 1-256 bytes. */
  readonly key?: (data: SchemaOutput<Schema>) => string
  /** The entity that the event is about. */
  readonly subject?: (data: SchemaOutput<Schema>) => string
  readonly description?: string
  /** Where `create` takes time and ids from; default: the system's. A Millrace publishes with its own. */
  readonly runtime?: Pick<Runtime, 'now' | 'id'>
  /** The limits of `create`; a Millrace publishes under its own. */
  readonly limits?: Partial<Limits>
}

const OPTIONS: ReadonlySet<string> = new Set<keyof DefineEventOptions<unknown, unknown>>([
  ...(['schema', 'version', 'earlier', 'topic', 'key', 'subject', 'description', 'runtime', 'limits'] as const),
])

/**
 * Declares an event once: its type, schema, version, topic and key. Throws `event_name_invalid`, `event_definition_invalid`.
 *
 * @example
 * const OrderPlaced = defineEvent('order.placed', {
 *   schema: z.object({ orderId: z.string(), total: z.number() }),
 *   key: (data) => data.orderId,
 * })
 */
export function defineEvent<
  const Type extends string,
  Schema extends StandardSchema<unknown, unknown>,
  Earlier extends Readonly<Record<number, StandardSchema<unknown, unknown>>> = Readonly<Record<never, never>>,
  const Topic extends string = DefaultTopic<Type>,
>(
  type: Type,
  options: DefineEventOptions<Schema, Earlier, Topic>,
): EventDefinition<Type, SchemaInput<Schema>, SchemaOutput<Schema>, Topic> {
  type Input = SchemaInput<Schema>
  type Output = SchemaOutput<Schema>
  assertEventType(type)
  // A "key" that is misspelt would be none, and with it the order would be gone.
  const wrong = wrongOptions(options, OPTIONS)
  if (wrong !== undefined) throw invalid(type, wrong.name ?? 'options', wrong.what)
  const { version = 1, description, key, subject } = options
  const topic = options.topic ?? (topicOf(type) as Topic)
  assertTopicName(topic)
  checkVersion(type, version)
  checkFunction(type, 'key', key)
  checkFunction(type, 'subject', subject)
  checkSchema(type, 'schema', options.schema)
  const schema = options.schema as unknown as StandardSchema<Input, Output>
  const earlier: ReadonlyMap<number, EarlierVersion<StandardSchema<unknown, unknown>>> = earlierOf(
    type,
    version,
    options.earlier,
  )
  const limits = resolveLimits(options.limits)
  let context: CreateContext | undefined

  const definition: EventDefinition<Type, Input, Output, Topic> = {
    type,
    version,
    topic,
    description,
    schema,
    earlierVersions: [...earlier.keys()],
    create(data, createOptions) {
      context ??= { ...surroundings(options.runtime), limits }
      return createEvent(definition, data, createOptions, context)
    },
    upcast: createUpcaster({ type, version, schema, earlier }),
    keyOf: (data) => key?.(data),
    subjectOf: (data) => subject?.(data),
  }
  return Object.freeze(definition)
}

const DEFAULT_SOURCE = '/app'
let systemSurroundings: Omit<CreateContext, 'limits'> | undefined

/** One session for all that the system's runtime makes: a session is a process, not a definition. */
function surroundings(runtime: Pick<Runtime, 'now' | 'id'> | undefined): Omit<CreateContext, 'limits'> {
  if (runtime !== undefined) return { runtime, source: DEFAULT_SOURCE, sessionId: `instance:${runtime.id()}` }
  systemSurroundings ??= surroundings(systemRuntime())
  return systemSurroundings
}

function earlierOf(
  type: string,
  version: number,
  given: object | undefined,
): ReadonlyMap<number, EarlierVersion<StandardSchema<unknown, unknown>>> {
  const earlier = new Map<number, EarlierVersion<StandardSchema<unknown, unknown>>>()
  const entries = Object.entries(given ?? {}).map(([name, entry]): [number, unknown] => {
    if (!/^[1-9]\d{0,8}$/.test(name))
      throw invalid(type, 'earlier', `names the version "${name}", which is no whole number from 1`)
    return [Number(name), entry]
  })
  entries.sort(([one], [other]) => one - other)
  let expected = entries[0]?.[0] ?? version
  for (const [number, entry] of entries) {
    const path = `earlier.${number}`
    if (number >= version) throw invalid(type, path, `is not before the latest version, ${version}`)
    if (number !== expected)
      throw invalid(type, `earlier.${expected}`, `is missing between versions ${expected - 1} and ${number}`)
    if (!isEarlier(entry)) throw invalid(type, path, 'needs a schema and a function "up"')
    checkSchema(type, `${path}.schema`, entry.schema)
    earlier.set(number, entry)
    expected += 1
  }
  if (expected !== version)
    throw invalid(type, `earlier.${expected}`, `is missing before the latest version, ${version}`)
  return earlier
}

function isEarlier(entry: unknown): entry is EarlierVersion<StandardSchema<unknown, unknown>> {
  return (
    typeof entry === 'object' && entry !== null && 'schema' in entry && 'up' in entry && typeof entry.up === 'function'
  )
}

function checkVersion(type: string, version: unknown): void {
  if (typeof version === 'number' && Number.isInteger(version) && version >= 1 && version <= 999_999_999) return
  throw invalid(
    type,
    'version',
    `is ${typeof version === 'string' ? JSON.stringify(version) : String(version)}; it must be a whole number from 1`,
  )
}

function checkFunction(type: string, path: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function') throw invalid(type, path, 'must be a function of the data')
  if (isAsyncFunction(value))
    throw invalid(type, path, 'must answer at once: make it a function that is not asynchronous')
}

function checkSchema(type: string, path: string, schema: unknown): void {
  const standard: unknown = (schema as { readonly '~standard'?: unknown } | null | undefined)?.['~standard']
  if (
    typeof standard === 'object' &&
    standard !== null &&
    'validate' in standard &&
    typeof standard.validate === 'function'
  )
    return
  throw invalid(type, path, 'is no Standard Schema (Zod, Valibot, ArkType, ...)')
}

function invalid(type: string, path: string, what: string): MillraceError {
  return new MillraceError('event_definition_invalid', `The definition of "${type}": "${path}" ${what}.`, { path })
}
