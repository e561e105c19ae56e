import fc from 'fast-check'
import { expect, it } from 'vitest'
import { backoffDelay, DEFAULT_BACKOFF } from '../../src/runtime/backoff.ts'

it('doubles up to the ceiling', () => {
  const bounds = [1, 2, 3, 4, 9, 10, 1_000_000].map((attempt) => backoffDelay(DEFAULT_BACKOFF, attempt, 1))
  expect(bounds).toEqual([200, 400, 800, 1_600, 51_200, 60_000, 60_000])
})

it('is nothing when the first wait is nothing, however late the attempt', () => {
  expect(backoffDelay({ first: 0, factor: 10, ceiling: 1_000 }, 1_000, 0.5)).toBe(0)
})

it('spreads over the whole range', () => {
  expect([0, 0.25, 0.5].map((random) => backoffDelay(DEFAULT_BACKOFF, 3, random))).toEqual([0, 200, 400])
})

it('is a whole number of milliseconds between nothing and the ceiling', () => {
  const backoff = fc.record({
    first: fc.nat(100_000),
    factor: fc.double({ min: 1, max: 100, noNaN: true }),
    ceiling: fc.nat(1_000_000),
  })
  fc.assert(
    fc.property(
      backoff,
      fc.integer({ min: -5, max: 2_000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (given, attempt, random) => {
        const delay = backoffDelay(given, attempt, random)
        expect(Number.isInteger(delay)).toBe(true)
        expect(delay).toBeGreaterThanOrEqual(0)
        expect(delay).toBeLessThanOrEqual(given.ceiling)
      },
    ),
  )
})
