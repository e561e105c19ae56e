/** The event contract: what applications, clients and browsers share. Nothing here needs Node.js. */
export { createCatalog, type Catalog } from './contract/catalog.ts'
export { checkEvent } from './contract/check-event.ts'
export {
  decodeBatch,
  decodeEvent,
  encodeBatch,
  encodeEvent,
  encodeStored,
  type DecodedItem,
} from './contract/cloud-events.ts'
export { createEvent, type CreateContext } from './contract/create-event.ts'
export type { DecodeOptions } from './contract/decode-attributes.ts'
export { defineEvent, type DefineEventOptions, type EarlierVersion } from './contract/define-event.ts'
export type {
  AnyEventDefinition,
  CreateOptions,
  EventData,
  EventDefinition,
  EventInput,
  EventOf,
} from './contract/event-definition.ts'
export { eventDigest } from './contract/event-digest.ts'
export {
  assertEventType,
  assertGroupName,
  assertTopicName,
  compilePattern,
  matchesPattern,
  topicOf,
} from './contract/event-name.ts'
export type { EventMessage, EventMetadata, EventPosition, StoredEvent } from './contract/event.ts'
export { decodeBinary, encodeBinary, isBinaryMode, type HeaderSource } from './contract/http-binding.ts'
export { checkJson, type JsonBounds, type JsonOrigin } from './contract/json-check.ts'
export { DEFAULT_LIMITS, resolveLimits, type Limits } from './contract/limits.ts'
export type {
  SchemaInput,
  SchemaIssue,
  SchemaOutput,
  SchemaResult,
  StandardSchema,
} from './contract/standard-schema.ts'
export { ERROR_CODES, type ErrorCode } from './runtime/error-codes.ts'
export { isMillraceError, MillraceError, type ErrorDetails } from './runtime/error.ts'
