/** Something that happens at a virtual time. */
export interface Happening {
  at: number
  /** Decides among happenings of the same time: first planned, first run. */
  readonly order: number
  readonly run: () => void
  cancelled: boolean
  /** Whose it is: an index, -1 for the world's own. */
  readonly owner: number
}

/** A binary heap by time, then order. */
export interface EventHeap {
  readonly size: number
  peek(): Happening | undefined
  push(happening: Happening): void
  pop(): Happening | undefined
}

export function createEventHeap(): EventHeap {
  const heap: Happening[] = []

  function lift(from: number): void {
    let at = from
    const moving = heap[at]
    if (moving === undefined) return
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || !isBefore(moving, parent)) break
      heap[at] = parent
      at = above
    }
    heap[at] = moving
  }

  function sink(): void {
    const moving = heap[0]
    if (moving === undefined) return
    let at = 0
    for (;;) {
      const left = heap[2 * at + 1]
      if (left === undefined) break
      const right = heap[2 * at + 2]
      const useRight = right !== undefined && isBefore(right, left)
      const child = useRight ? right : left
      if (!isBefore(child, moving)) break
      heap[at] = child
      at = 2 * at + (useRight ? 2 : 1)
    }
    heap[at] = moving
  }

  return {
    get size() {
      return heap.length
    },
    peek: () => heap[0],
    push(happening) {
      heap.push(happening)
      lift(heap.length - 1)
    },
    pop() {
      const first = heap[0]
      const last = heap.pop()
      if (first === undefined || last === undefined || heap.length === 0) return first
      heap[0] = last
      sink()
      return first
    },
  }
}

function isBefore(one: Happening, other: Happening): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
