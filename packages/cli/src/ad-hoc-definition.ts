import { defineEvent, type AnyEventDefinition } from '@millrace/core'

/** Takes any data: for types of which this process has no definition. */
const anything = {
  '~standard': { version: 1, vendor: 'millrace', validate: (value: unknown) => ({ value }) },
} as const

/** A definition for a type that the configuration does not know. Throws `event_name_invalid`. */
export function adHocDefinition(type: string, topic: string | undefined): AnyEventDefinition {
  return defineEvent(type, { schema: anything, ...(topic === undefined ? {} : { topic }) })
}
