/** Tells the subscriptions of this process that something was put into their lane, so that they need not wait for their next look. */
export interface LaneHints {
  hint(group: string): void
  /** Returns how to stop listening. */
  listen(group: string, listener: () => void): () => void
}

export function createLaneHints(): LaneHints {
  const listeners = new Map<string, Set<() => void>>()
  return {
    hint(group) {
      for (const listener of listeners.get(group) ?? []) listener()
    },
    listen(group, listener) {
      const ofGroup = listeners.get(group) ?? new Set()
      listeners.set(group, ofGroup.add(listener))
      return () => void ofGroup.delete(listener)
    },
  }
}
