import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'
import { assertAttributeText, bytesIfNear, isAttributeText } from './attribute-text.ts'
import { checkMetadata, checkSource } from './check-event.ts'
import type { CreateOptions, EventDefinition } from './event-definition.ts'
import { topicOf } from './event-name.ts'
import type { EventMessage, EventMetadata } from './event.ts'
import type { Limits } from './limits.ts'
import { normalizeTimestamp, timestampOf } from './timestamp.ts'
import { validateForStorage } from './validate-data.ts'

/** Where an event takes from what its publisher leaves open. */
export interface CreateContext {
  readonly runtime: Pick<Runtime, 'now' | 'id'>
  /** The default source, `/<name of the service>`. */
  readonly source: string
  /** The default session, `instance:<uuid>` of the process. */
  readonly sessionId: string
  readonly limits: Limits
  /** Leaves lone surrogates in the data to whoever writes it. */
  readonly textsLater?: boolean
  /** The event or task being handled: its flow, session, user, tenant and trace go on, and it becomes the cause. */
  readonly inherit?: { readonly id: string; readonly metadata: Partial<EventMetadata> } | undefined
}

const OPTIONS: ReadonlySet<string> = new Set<keyof CreateOptions>([
  ...(['id', 'source', 'subject', 'key', 'timestamp', 'correlationId', 'causationId', 'userId', 'sessionId'] as const),
  ...(['tenantId', 'traceparent', 'tracestate', 'expiresAt', 'extensions'] as const),
])

/** Validates data and makes the message; `create` of a definition with the surroundings given. Throws as `create` does. */
export function createEvent<Type extends string, Input, Output>(
  definition: EventDefinition<Type, Input, Output>,
  data: Input,
  options: CreateOptions = {},
  context: CreateContext,
): EventMessage<Output, Type> {
  const { limits, runtime, textsLater } = context
  checkOptions(options)
  const output = validateForStorage(definition.schema, data, definition.type, { bounds: limits, textsLater })
  const now = runtime.now()
  const id = options.id === undefined ? runtime.id(now) : options.id
  if (options.id !== undefined) assertAttributeText('id', id, limits.idBytes)
  if (options.source !== undefined) checkSource(options.source, limits)
  // A null is a mistake, not an absence: the key of `row.id` that was never set would silently lose the order.
  const key = options.key === undefined ? definition.keyOf(output) : options.key
  if (key !== undefined) checkKey(key, definition.type, limits.idBytes)
  const subject = options.subject === undefined ? definition.subjectOf(output) : options.subject
  if (subject !== undefined) assertAttributeText('subject', subject, limits.eventBytes)
  const timestamp =
    options.timestamp === undefined ? timestampOf(now) : normalizeTimestamp(options.timestamp, 'timestamp')
  const message: Writable<EventMessage<Output, Type>> = {
    id,
    type: definition.type,
    version: String(definition.version),
    timestamp,
    source: options.source === undefined ? context.source : options.source,
    data: output,
    metadata: metadataOf(id, options, context),
  }
  if (subject !== undefined) message.subject = subject
  if (key !== undefined) message.key = key
  if (definition.topic !== topicOf(definition.type)) ownTopics.set(message, definition.topic)
  return message
}

/** While it is put together: a member that may be absent is added by itself, since spreading it costs more than the rest. */
type Writable<Value> = { -readonly [Name in keyof Value]: Value[Name] }

/** Topics of messages whose definition names another one than the type does: publishing needs no catalogue then. */
const ownTopics = new WeakMap<EventMessage, string>()

/** The topic to which a message goes that nobody's catalogue knows. */
export function topicOfMessage(message: EventMessage): string {
  return ownTopics.get(message) ?? topicOf(message.type)
}

function checkOptions(options: CreateOptions): void {
  const wrong = wrongOptions(options, OPTIONS)
  if (wrong === undefined) return
  const path = wrong.name ?? 'options'
  throw new MillraceError('event_malformed', `The option "${path}" of the event ${wrong.what}.`, { path })
}

function metadataOf(id: string, options: CreateOptions, { inherit, limits, sessionId }: CreateContext): EventMetadata {
  checkMetadata(options, limits)
  const from: Partial<EventMetadata> = inherit?.metadata ?? {}
  const metadata: Writable<EventMetadata> = {
    correlationId: options.correlationId ?? from.correlationId ?? id,
    sessionId: options.sessionId ?? from.sessionId ?? sessionId,
  }
  const causationId = options.causationId ?? inherit?.id
  const userId = options.userId ?? from.userId
  const tenantId = options.tenantId ?? from.tenantId
  const traceparent = options.traceparent ?? from.traceparent
  // The state belongs to its parent: one without the other would be another trace.
  const tracestate = options.traceparent === undefined ? (options.tracestate ?? from.tracestate) : options.tracestate
  if (causationId !== undefined) metadata.causationId = causationId
  if (userId !== undefined) metadata.userId = userId
  if (tenantId !== undefined) metadata.tenantId = tenantId
  if (traceparent !== undefined) metadata.traceparent = traceparent
  if (tracestate !== undefined) metadata.tracestate = tracestate
  if (options.expiresAt !== undefined) metadata.expiresAt = normalizeTimestamp(options.expiresAt, 'metadata.expiresAt')
  if (options.extensions !== undefined) metadata.extensions = { ...options.extensions }
  return metadata
}

function checkKey(key: unknown, type: string, maxBytes: number): void {
  const fault =
    typeof key !== 'string'
      ? `of type ${typeof key}; it must be a text`
      : key === ''
        ? 'empty; leave the key out for events without order'
        : bytesIfNear(key, maxBytes) > maxBytes
          ? `longer than ${maxBytes} bytes; use a shorter one, such as an id`
          : isAttributeText(key)
            ? undefined
            : 'a text with a control character, a lone surrogate or a non-character'
  if (fault === undefined) return
  const code = typeof key === 'string' && key.length * 3 > maxBytes && key !== '' ? 'limit_exceeded' : 'event_malformed'
  throw new MillraceError(code, `The key of "${type}" is ${fault}.`, { path: 'key' })
}
