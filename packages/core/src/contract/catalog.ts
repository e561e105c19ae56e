import { MillraceError } from '../runtime/error.ts'
import type { AnyEventDefinition } from './event-definition.ts'

/** What readers need of a catalogue. */
export interface Definitions {
  get(type: string): AnyEventDefinition | undefined
}

/** The definitions that a process knows, by type. */
export interface Catalog extends Definitions {
  /** Adding a definition again does nothing. Throws `event_duplicate_definition` for another one of the same type. */
  add(definition: AnyEventDefinition): void
  /** All of them, in the order in which they came. */
  list(): readonly AnyEventDefinition[]
}

/** A catalogue that begins with the given definitions. Throws `event_duplicate_definition`. */
export function createCatalog(definitions: Iterable<AnyEventDefinition> = []): Catalog {
  const byType = new Map<string, AnyEventDefinition>()
  const catalog: Catalog = {
    add(definition) {
      const known = byType.get(definition.type)
      if (known !== undefined && known !== definition) {
        throw new MillraceError(
          'event_duplicate_definition',
          `Two definitions claim the type "${definition.type}" (versions ${known.version} and ${definition.version}). Export one definition and import it everywhere.`,
          { path: 'type', facts: { type: definition.type } },
        )
      }
      byType.set(definition.type, definition)
    },
    get: (type) => byType.get(type),
    list: () => [...byType.values()],
  }
  for (const definition of definitions) catalog.add(definition)
  return catalog
}
