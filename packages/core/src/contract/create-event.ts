import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
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
  /** The event being handled: its flow, session, user, tenant and trace go on, and it becomes the cause. */
  readonly inherit?: EventMessage | undefined
}

/** Validates data and makes the message; `create` of a definition with the surroundings given. Throws as `create` does. */
export function createEvent<Type extends string, Input, Output>(
  definition: EventDefinition<Type, Input, Output>,
  data: Input,
  options: CreateOptions = {},
  context: CreateContext,
): EventMessage<Output, Type> {
  const { limits, runtime } = context
  const output = validateForStorage(definition.schema, data, definition.type, limits)
  const id = options.id === undefined ? runtime.id() : options.id
  if (options.id !== undefined) assertAttributeText('id', id, limits.idBytes)
  if (options.source !== undefined) checkSource(options.source, limits)
  // A null is a mistake, not an absence: the key of `row.id` that was never set would silently lose the order.
  const key = options.key === undefined ? definition.keyOf(output) : options.key
  if (key !== undefined) checkKey(key, definition.type, limits.idBytes)
  const subject = options.subject === undefined ? definition.subjectOf(output) : options.subject
  if (subject !== undefined) assertAttributeText('subject', subject, limits.eventBytes)
  const message: EventMessage<Output, Type> = {
    id,
    type: definition.type,
    version: String(definition.version),
    timestamp:
      options.timestamp === undefined ? timestampOf(runtime.now()) : normalizeTimestamp(options.timestamp, 'timestamp'),
    source: options.source === undefined ? context.source : options.source,
    ...(subject === undefined ? undefined : { subject }),
    ...(key === undefined ? undefined : { key }),
    data: output,
    metadata: metadataOf(id, options, context),
  }
  if (definition.topic !== topicOf(definition.type)) ownTopics.set(message, definition.topic)
  return message
}

/** Topics of messages whose definition names another one than the type does: publishing needs no catalogue then. */
const ownTopics = new WeakMap<EventMessage, string>()

/** The topic to which a message goes that nobody's catalogue knows. */
export function topicOfMessage(message: EventMessage): string {
  return ownTopics.get(message) ?? topicOf(message.type)
}

function metadataOf(id: string, options: CreateOptions, { inherit, limits, sessionId }: CreateContext): EventMetadata {
  checkMetadata(options, limits)
  const from: Partial<EventMetadata> = inherit?.metadata ?? {}
  const metadata: { -readonly [Name in keyof EventMetadata]: EventMetadata[Name] } = {
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
