/** Tells those who wait for a topic that something came. */
export interface TopicChanges {
  /** Counts up with every change of the topic; take it before looking, then wait for the next. */
  version(topic: string): number
  announce(topics: Iterable<string>): void
  /** The same for a name that came from outside: one that nobody here asked for is ignored. */
  announceKnown(topic: string): void
  /** Something may have been missed: everybody looks. */
  announceAll(): void
  /** Resolves when the topic has changed since `version`, when one of the signals fires, or at the end of all. */
  next(topic: string, version: number, signals: readonly (AbortSignal | undefined)[]): Promise<void>
  /** Wakes everybody, for good. */
  close(): void
}

interface Entry {
  version: number
  readonly waiting: Set<() => void>
}

export function createTopicChanges(): TopicChanges {
  const topics = new Map<string, Entry>()
  let closed = false
  const entryOf = (topic: string): Entry => {
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
    announceKnown(topic) {
      if (topics.has(topic)) this.announce([topic])
    },
    announceAll() {
      this.announce(topics.keys())
    },
    next(topic, version, signals) {
      const entry = entryOf(topic)
      if (closed || entry.version !== version || signals.some((signal) => signal?.aborted)) return Promise.resolve()
      return new Promise((resolve) => {
        const done = (): void => {
          entry.waiting.delete(done)
          for (const signal of signals) signal?.removeEventListener('abort', done)
          resolve()
        }
        entry.waiting.add(done)
        for (const signal of signals) signal?.addEventListener('abort', done, { once: true })
      })
    },
    close() {
      closed = true
      for (const { waiting } of topics.values()) wake(waiting)
    },
  }
}
