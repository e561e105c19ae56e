import type { StoredEvent } from '@millrace/core'

/** An event with those that were published while it was handled. */
export interface CausationNode {
  readonly event: StoredEvent
  readonly children: readonly CausationNode[]
}

/**
 * The events of one flow as trees by causation, in the order given. An event whose cause is not among them is a root; so
 * is the first of a circle, which foreign producers can make. Each event is there once.
 */
export function causationTree(events: readonly StoredEvent[]): readonly CausationNode[] {
  const byCause = Map.groupBy(events, (event) => event.metadata.causationId)
  const ids = new Set(events.map((event) => event.id))
  const placed = new Set<StoredEvent>()

  function nodeOf(event: StoredEvent): CausationNode {
    placed.add(event)
    const children: CausationNode[] = []
    for (const child of byCause.get(event.id) ?? []) if (!placed.has(child)) children.push(nodeOf(child))
    return { event, children }
  }

  const roots: CausationNode[] = []
  for (const event of events) {
    const cause = event.metadata.causationId
    if (!placed.has(event) && (cause === undefined || !ids.has(cause))) roots.push(nodeOf(event))
  }
  for (const event of events) if (!placed.has(event)) roots.push(nodeOf(event))
  return roots
}
