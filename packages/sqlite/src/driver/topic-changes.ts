/** Tells those who wait for a topic that something came. */
export interface TopicChanges {
  /** Counts up with every change of the topic; take it before looking, then wait for the next. */
  version(topic: string): number
  announce(topics: Iterable<string>): void
  /** Resolves when the topic has changed since `version`, when `stop` is called by the given registration, or at the end of all. */
  next(topic: string, version: number, onStop: (stop: () => void) => void): Promise<void>
  /** Wakes everybody, for good. */
  close(): void
}

export function createTopicChanges(): TopicChanges {
  const topics = new Map<string, { version: number; readonly waiting: Set<() => void> }>()
  let closed = false
  const entryOf = (topic: string): { version: number; readonly waiting: Set<() => void> } => {
    let entry = topics.get(topic)
    if (entry === undefined) topics.set(topic, (entry = { version: 0, waiting: new Set() }))
    return entry
  }
  const wake = (waiting: Set<() => void>): void => {
    for (const resolve of [...waiting]) resolve()
  }
  return {
    version: (topic) => entryOf(topic).version,
    announce(names) {
      for (const name of names) {
        const entry = entryOf(name)
        entry.version += 1
        wake(entry.waiting)
      }
    },
    next(topic, version, onStop) {
      const entry = entryOf(topic)
      if (closed || entry.version !== version) return Promise.resolve()
      return new Promise((resolve) => {
        const done = (): void => {
          entry.waiting.delete(done)
          resolve()
        }
        entry.waiting.add(done)
        onStop(done)
      })
    },
    close() {
      closed = true
      for (const { waiting } of topics.values()) wake(waiting)
    },
  }
}
