/** Who in this process wants to hear of queues that have changed. */
export interface TaskHub {
  /** Adds a listener; the result removes it. */
  add(listener: (queues: readonly string[]) => void): () => void
  /** This process claims from a queue: when notices may have been missed, something may have changed in it. */
  know(queue: string): void
  /** Passes on what another process told: the name of a queue. */
  announce(notice: string): void
  /** Notices may have been missed. */
  announceAll(): void
}

export function createTaskHub(): TaskHub {
  const listeners = new Set<(queues: readonly string[]) => void>()
  const known = new Set<string>()
  const tell = (queues: readonly string[]): void => {
    for (const listener of [...listeners]) listener(queues)
  }
  return {
    add(listener) {
      const own = (queues: readonly string[]): void => listener(queues)
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    know: (queue) => void known.add(queue),
    announce: (notice) => tell([decodeURIComponent(notice.slice(MARK.length))]),
    announceAll() {
      if (known.size > 0) tell([...known])
    },
  }
}

/** No topic has a name that begins so. */
const MARK = '!task:'

/** The notice that a queue has changed. */
export function noticeOf(queue: string): string {
  return MARK + encodeURIComponent(queue)
}

export function isTaskNotice(notice: string): boolean {
  return notice.startsWith(MARK)
}
