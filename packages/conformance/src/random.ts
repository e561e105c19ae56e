/** Reproducible randomness: the same seed gives the same run. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number
  chance(probability: number): boolean
  /** One of the values; throws for none. */
  pick<Value>(values: readonly Value[]): Value
  shuffled<Value>(values: readonly Value[]): Value[]
}

/** Mulberry32 (Tommy Ettinger, public domain algorithm): 32 bits of state are plenty for workloads. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const integer = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1))
  return {
    next,
    integer,
    chance: (probability) => next() < probability,
    pick(values) {
      if (values.length === 0) throw new RangeError('There is nothing to pick from.')
      return values[integer(0, values.length - 1)] as (typeof values)[number]
    },
    shuffled(values) {
      const mixed = [...values]
      for (let at = mixed.length - 1; at > 0; at -= 1) {
        const [taken] = mixed.splice(integer(0, at), 1)
        mixed.push(...(taken === undefined ? [] : [taken]))
      }
      return mixed
    },
  }
}
