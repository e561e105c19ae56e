/** Tells those who wait for a topic which partition something was appended to. */
export interface TopicChanges {
  /** Calls `listener` with each partition that has something new, and with undefined when any may have; returns how to stop. */
  listen(topic: string, listener: (partition: number | undefined) => void): () => void
  announce(topic: string, partition: number | undefined): void
  /** Something may have been missed in every topic. */
  announceAll(): void
  /** Topics that somebody listens to. */
  readonly topics: Iterable<string>
}

export function createTopicChanges(onFirst: (topic: string) => void): TopicChanges {
  const listeners = new Map<string, Set<(partition: number | undefined) => void>>()
  const announce = (topic: string, partition: number | undefined): void => {
    for (const listener of [...(listeners.get(topic) ?? [])]) listener(partition)
  }
  return {
    listen(topic, listener) {
      let known = listeners.get(topic)
      if (known === undefined) {
        listeners.set(topic, (known = new Set()))
        onFirst(topic)
      }
      known.add(listener)
      return () => void known.delete(listener)
    },
    announce,
    announceAll() {
      for (const topic of listeners.keys()) announce(topic, undefined)
    },
    get topics() {
      return listeners.keys()
    },
  }
}
