import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createUuid7 } from '../../src/runtime/uuid7.ts'

const UUID7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

function generator(times: readonly number[], byte = 0xff): () => string {
  let at = 0
  const now = (): number => times[Math.min(at++, times.length - 1)] ?? 0
  return createUuid7({ now, fill: (bytes) => void bytes.fill(byte) })
}

it('has the form of RFC 9562, with the time in its first 48 bits', () => {
  const id = generator([Date.UTC(2026, 0, 31)])()
  expect(id).toMatch(UUID7)
  expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(Date.UTC(2026, 0, 31))
  expect(generator([1_000], 0)()).toBe('00000000-03e8-7000-8000-000000000000')
})

it('never goes back and never repeats, whatever the clock does', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 }), (times) => {
      const next = generator(times)
      // One millisecond holds 4,096 counters at most, so the counter overflows, too.
      const ids = Array.from({ length: 9_000 }, next)
      expect(ids.every((id, at) => at === 0 || id > (ids[at - 1] ?? ''))).toBe(true)
      expect(ids.every((id) => UUID7.test(id))).toBe(true)
    }),
    { numRuns: 10 },
  )
})

it('draws new random bytes when the pool is used up', () => {
  let fills = 0
  const next = createUuid7({ now: () => 5, fill: (bytes) => void bytes.fill(fills++) })
  const tails = new Set(Array.from({ length: 1_024 }, () => next().slice(-12)))
  expect(fills).toBe(2)
  expect(tails).toEqual(new Set(['000000000000', '010101010101']))
})
