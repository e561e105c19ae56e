/** What may be in slots: it knows its own, -1 while it is in none. */
export interface Slotted {
  slot: number
}

/** A set of objects that come and go by the ten thousand a second. */
export interface Slots<Item extends Slotted> {
  readonly size: number
  add(item: Item): void
  /** Whether it was there. */
  delete(item: Item): boolean
  /** What is there now, in no particular order. */
  values(): Item[]
}

/**
 * A `Set` would do, were it not for V8: it rebuilds the table of a set again and again under such traffic, each old table
 * points to the next one and to what was in it, and once one of them is in the old generation all that follow stay alive
 * until the next full collection. An array is written over in place.
 */
export function createSlots<Item extends Slotted>(): Slots<Item> {
  const slots: (Item | undefined)[] = []
  const free: number[] = []
  return {
    get size() {
      return slots.length - free.length
    },
    add(item) {
      if (item.slot !== -1) return
      item.slot = free.pop() ?? slots.length
      slots[item.slot] = item
    },
    delete(item) {
      if (item.slot === -1) return false
      slots[item.slot] = undefined
      free.push(item.slot)
      item.slot = -1
      return true
    },
    values: () => slots.filter((item) => item !== undefined),
  }
}
