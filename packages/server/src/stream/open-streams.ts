/** The streams that are open, counted, so that they can be bounded and ended together. */
export interface OpenStreams {
  readonly count: number
  /** Takes a place; undefined when there is none. `end` is called when the server stops. The result gives the place back. */
  enter(end: () => void): (() => void) | undefined
  endAll(): void
}

/** At most `capacity` streams; none after `endAll`. */
export function createOpenStreams(capacity: number): OpenStreams {
  const ends = new Set<() => void>()
  let closed = false
  return {
    get count() {
      return ends.size
    },
    enter(end) {
      if (closed || ends.size >= capacity) return undefined
      // A function of its own: the same `end` may enter twice.
      const entry = (): void => end()
      ends.add(entry)
      return () => void ends.delete(entry)
    },
    endAll() {
      closed = true
      for (const end of [...ends]) end()
    },
  }
}
