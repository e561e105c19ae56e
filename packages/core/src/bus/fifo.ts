/** A first-in-first-out queue whose `shift` costs the same however long it is (an array's does not). */
export interface Fifo<Item> {
  readonly length: number
  push(item: Item): void
  shift(): Item | undefined
  /** Empties it and gives what it held, in order. */
  drain(): Item[]
}

const COMPACT_AT = 1_024

/** An empty queue. */
export function createFifo<Item>(): Fifo<Item> {
  let items: (Item | undefined)[] = []
  let head = 0
  return {
    get length() {
      return items.length - head
    },
    push: (item) => void items.push(item),
    shift() {
      if (head === items.length) return undefined
      const item = items[head]
      items[head++] = undefined
      if (head === items.length) {
        items = []
        head = 0
      } else if (head >= COMPACT_AT && head * 2 >= items.length) {
        items = items.slice(head)
        head = 0
      }
      return item
    },
    drain() {
      const rest = items.slice(head).filter((item) => item !== undefined)
      items = []
      head = 0
      return rest
    },
  }
}
