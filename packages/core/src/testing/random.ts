/** A seeded source of randomness: the same seed gives the same draws for ever. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number
  /** True with this probability. */
  chance(probability: number): boolean
  /** One of the values, which may not be empty. */
  pick<Value>(values: readonly Value[]): Value
  /** A source of its own, so that draws of one part do not shift those of another. */
  fork(): Random
}

/** The generator `sfc32` (Chris Doty-Humphrey, PractRand), fast and good enough for tests. */
export function createRandom(seed: number): Random {
  let a = 0x9e3779b9
  let b = 0x243f6a88
  let c = seed | 0
  let counter = 1

  function draw(): number {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    c |= 0
    return sum >>> 0
  }

  for (let round = 0; round < 12; round += 1) draw()
  const next = (): number => draw() / 2 ** 32
  const random: Random = {
    next,
    between: (least, most) => least + Math.floor(next() * (most - least + 1)),
    chance: (probability) => next() < probability,
    pick(values) {
      const value = values[Math.floor(next() * values.length)]
      if (value === undefined) throw new RangeError('There is nothing to pick from.')
      return value
    },
    fork: () => createRandom(draw()),
  }
  return random
}
