/** A seeded source of chance: the same seed makes the same visitors. */
export interface Chance {
  /** Uniform in [0, 1). */
  next(): number
  /** Whether something of this probability happens. */
  happens(probability: number): boolean
  /** One of several. */
  pick<Item>(items: readonly [Item, ...Item[]]): Item
  /** Around `middle`, skewed to the right as times of people are. */
  around(middle: number): number
}

/** The generator `mulberry32` by Tommy Ettinger (public domain): 32 bits of state are enough for pretended visitors. */
export function createChance(seed: number): Chance {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    happens: (probability) => next() < probability,
    pick: (items) => items[Math.floor(next() * items.length)] ?? items[0],
    around: (middle) => middle * Math.exp((next() + next() + next() - 1.5) * 0.9),
  }
}
