import fc from 'fast-check'
import { expect, it } from 'vitest'
import { chooseRoute, isRolledOut, judgeWait } from '../../src/operations/route.ts'

const base = { fallback: 'sync', rollout: 50, maxWaitMs: 100 } as const

it.each([
  ['sync', { isRolledOut: true, isDown: false, isSlow: false }, 'sync', 'mode'],
  ['sync', { isRolledOut: true, isDown: true, isSlow: true }, 'sync', 'mode'],
  ['async', { isRolledOut: false, isDown: false, isSlow: true }, 'async', 'mode'],
  ['async', { isRolledOut: true, isDown: true, isSlow: false }, 'sync', 'queue-down'],
  ['auto', { isRolledOut: false, isDown: true, isSlow: true }, 'sync', 'rollout'],
  ['auto', { isRolledOut: true, isDown: false, isSlow: false }, 'async', 'rollout'],
  ['auto', { isRolledOut: true, isDown: true, isSlow: true }, 'sync', 'queue-down'],
  ['auto', { isRolledOut: true, isDown: false, isSlow: true }, 'sync', 'queue-slow'],
] as const)('mode %s with %o goes %s because of %s', (mode, state, to, reason) => {
  expect(chooseRoute({ settings: { ...base, mode }, ...state })).toEqual({ to, reason })
})

it('fails instead of running here where the fallback says so, and only then', () => {
  const settings = { ...base, fallback: 'fail' } as const
  const down = { isRolledOut: true, isDown: true, isSlow: false }
  expect(chooseRoute({ settings: { ...settings, mode: 'auto' }, ...down })).toEqual({
    to: 'fail',
    reason: 'queue-down',
  })
  expect(chooseRoute({ settings: { ...settings, mode: 'async' }, ...down }).to).toBe('fail')
  expect(chooseRoute({ settings: { ...settings, mode: 'sync' }, ...down }).to).toBe('sync')
  expect(chooseRoute({ settings: { ...settings, mode: 'auto' }, ...down, isRolledOut: false }).to).toBe('sync')
})

it('a key that is rolled out stays so as the share grows, whatever is drawn', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.double({ min: 0, max: 100, noNaN: true }),
      fc.double({ min: 0, max: 100, noNaN: true }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (key, one, other, draw) => {
        const [less, more] = one < other ? [one, other] : [other, one]
        const isIn = isRolledOut('seo.audit', key, { percent: less, draw })
        expect(isRolledOut('seo.audit', key, { percent: less, draw: 0.5 })).toBe(isIn)
        if (isIn) expect(isRolledOut('seo.audit', key, { percent: more, draw })).toBe(true)
      },
    ),
  )
})

it('takes the share of keys that it says, nobody at 0 and everybody at 100', () => {
  const keys = Array.from({ length: 10_000 }, (_, index) => `customer-${index}`)
  const shareAt = (percent: number): number =>
    keys.filter((key) => isRolledOut('seo.audit', key, { percent, draw: 0 })).length / 100
  expect(shareAt(0)).toBe(0)
  expect(shareAt(100)).toBe(100)
  expect(shareAt(25)).toBeGreaterThan(23.5)
  expect(shareAt(25)).toBeLessThan(26.5)
  const same = keys.filter(
    (key) =>
      isRolledOut('other', key, { percent: 25, draw: 0 }) && isRolledOut('seo.audit', key, { percent: 25, draw: 0 }),
  )
  expect(same.length).toBeLessThan(1_000)
})

it('draws for calls without a key', () => {
  expect(isRolledOut('x', undefined, { percent: 25, draw: 0.2499 })).toBe(true)
  expect(isRolledOut('x', undefined, { percent: 25, draw: 0.25 })).toBe(false)
  expect(isRolledOut('x', undefined, { percent: 0, draw: 0 })).toBe(false)
})

it('is slow above the bound, and quick again only after two looks in a row below half of it', () => {
  let state = { isSlow: false, quickLooks: 0 }
  const states = [100, 101, 80, 50, 51, 50, 50, 90].map((waitMs) => (state = judgeWait(state, waitMs, 100)).isSlow)
  expect(states).toEqual([false, true, true, true, true, true, false, false])
})
