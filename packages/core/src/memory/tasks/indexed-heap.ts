/** A binary heap that can also lose items from its middle: each item is told where it is. */
export interface IndexedHeap<Item> {
  readonly size: number
  peek(): Item | undefined
  push(item: Item): void
  pop(): Item | undefined
  /** Takes out an item that is in this heap. */
  remove(item: Item): void
  /** Visits items from the top, not in order; below an item for which `visit` gives false nothing is visited. */
  scan(visit: (item: Item) => boolean): void
  items(): readonly Item[]
}

/** How a heap compares its items and where these keep their index. */
export interface HeapOrder<Item> {
  isBefore(one: Item, other: Item): boolean
  indexOf(item: Item): number
  setIndex(item: Item, index: number): void
}

export function createIndexedHeap<Item>({ isBefore, indexOf, setIndex }: HeapOrder<Item>): IndexedHeap<Item> {
  const heap: Item[] = []

  function put(item: Item, at: number): void {
    heap[at] = item
    setIndex(item, at)
  }

  function lift(item: Item, from: number): void {
    let at = from
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above] as Item
      if (!isBefore(item, parent)) break
      put(parent, at)
      at = above
    }
    put(item, at)
  }

  function sink(item: Item, from: number): void {
    let at = from
    for (;;) {
      const left = 2 * at + 1
      if (left >= heap.length) break
      const right = left + 1
      const child = right < heap.length && isBefore(heap[right] as Item, heap[left] as Item) ? right : left
      if (!isBefore(heap[child] as Item, item)) break
      put(heap[child] as Item, at)
      at = child
    }
    put(item, at)
  }

  function remove(item: Item): void {
    const at = indexOf(item)
    const last = heap.pop()
    setIndex(item, -1)
    if (last === undefined || last === item) return
    if (at > 0 && isBefore(last, heap[(at - 1) >> 1] as Item)) lift(last, at)
    else sink(last, at)
  }

  return {
    get size() {
      return heap.length
    },
    peek: () => heap[0],
    push: (item) => lift(item, heap.length),
    pop() {
      const first = heap[0]
      if (first !== undefined) remove(first)
      return first
    },
    remove,
    scan(visit) {
      const open = heap.length > 0 ? [0] : []
      for (let at = open.pop(); at !== undefined; at = open.pop()) {
        if (!visit(heap[at] as Item)) continue
        for (const child of [2 * at + 2, 2 * at + 1]) if (child < heap.length) open.push(child)
      }
    },
    items: () => heap,
  }
}
