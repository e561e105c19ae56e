import type { AnyEventDefinition, EventMessage } from '@millrace/core'

/**
 * Holds events from outside to the definitions of this process: the data of a known type must fit its schema, an earlier
 * version is brought to the latest first, and the key and subject that the publisher left out are computed. Types that nobody
 * defined pass as they are. Throws what `create` and `upcast` of the definition throw.
 */
export function createConform(catalog: () => readonly AnyEventDefinition[]): (event: EventMessage) => EventMessage {
  let size = -1
  let byType: ReadonlyMap<string, AnyEventDefinition> = new Map()
  return (event) => {
    const known = catalog()
    if (known.length !== size) {
      size = known.length
      byType = new Map(known.map((definition) => [definition.type, definition]))
    }
    const definition = byType.get(event.type)
    if (definition === undefined) return event
    const { id, source, subject, key, timestamp, metadata } = event
    return definition.create(definition.upcast(event.data, event.version), {
      ...metadata,
      ...withoutForeignSchema(metadata.extensions),
      id,
      source,
      timestamp,
      ...(subject === undefined ? {} : { subject }),
      ...(key === undefined ? {} : { key }),
    })
  }
}

/** What is stored is in our latest version now: another schema's name on it would have it read as version 1. */
function withoutForeignSchema(
  extensions: EventMessage['metadata']['extensions'],
): Pick<EventMessage['metadata'], 'extensions'> {
  if (extensions?.['dataschema'] === undefined) return {}
  const { dataschema: _schema, ...rest } = extensions
  return { extensions: rest }
}
