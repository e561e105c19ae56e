import type { HeldEvent } from './partition-log.ts'

/** Finds held events by id and by correlation. */
export interface EventIndex {
  find(id: string, source: string): HeldEvent | undefined
  /** Every held event of the id, oldest first. */
  byId(id: string): Iterable<HeldEvent>
  /** The event that began the flow and those that carry its id, in no particular order. */
  byCorrelation(correlationId: string): Iterable<HeldEvent>
  add(event: HeldEvent): void
  remove(event: HeldEvent): void
}

/** An empty index. Most ids have one source only, so the inner map is made when a second one comes. */
export function createEventIndex(): EventIndex {
  const ids = new Map<string, HeldEvent | Map<string, HeldEvent>>()
  const correlations = new Map<string, Set<HeldEvent>>()
  return {
    find(id, source) {
      const entry = ids.get(id)
      if (entry instanceof Map) return entry.get(source)
      return entry?.source === source ? entry : undefined
    },
    byId: (id) => eventsOf(ids.get(id)),
    *byCorrelation(correlationId) {
      for (const event of eventsOf(ids.get(correlationId))) if (event.correlationId === undefined) yield event
      yield* correlations.get(correlationId) ?? []
    },
    add(event) {
      const { id } = event.record
      const entry = ids.get(id)
      if (entry === undefined) ids.set(id, event)
      else if (entry instanceof Map) entry.set(event.source, event)
      else ids.set(id, new Map([entry, event].map((each) => [each.source, each])))
      if (event.correlationId === undefined) return
      const flow = correlations.get(event.correlationId)
      if (flow === undefined) correlations.set(event.correlationId, new Set([event]))
      else flow.add(event)
    },
    remove(event) {
      const { id } = event.record
      const entry = ids.get(id)
      if (entry === event) ids.delete(id)
      else if (entry instanceof Map) {
        entry.delete(event.source)
        if (entry.size === 0) ids.delete(id)
      }
      if (event.correlationId === undefined) return
      const flow = correlations.get(event.correlationId)
      flow?.delete(event)
      if (flow?.size === 0) correlations.delete(event.correlationId)
    },
  }
}

function eventsOf(entry: HeldEvent | Map<string, HeldEvent> | undefined): Iterable<HeldEvent> {
  if (entry === undefined) return []
  return entry instanceof Map ? entry.values() : [entry]
}
