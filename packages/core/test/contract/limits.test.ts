import { DEFAULT_LIMITS, resolveLimits } from '@millrace/core/contract'
import { expect, it } from 'vitest'
import { failure } from './failure.ts'

it('lowers limits, and raises them only to what the engine bears', () => {
  expect(resolveLimits()).toEqual(DEFAULT_LIMITS)
  expect(resolveLimits({ eventBytes: 1_024 })).toEqual({ ...DEFAULT_LIMITS, eventBytes: 1_024 })
  expect(resolveLimits({ eventBytes: 1_048_576 }, { eventBytes: 1_048_576 }).eventBytes).toBe(1_048_576)
})

it.each([
  [{ eventBytes: DEFAULT_LIMITS.eventBytes + 1 }, {}, 'limits.eventBytes'],
  [{ eventBytes: 2_000_000 }, { eventBytes: 1_048_576 }, 'limits.eventBytes'],
  [{ depth: 100_000 }, { depth: 1_000_000 }, 'limits.depth'],
  [{ keys: 0 }, {}, 'limits.keys'],
  [{ keys: -1 }, {}, 'limits.keys'],
  [{ keys: 1.5 }, {}, 'limits.keys'],
  [{ keys: Number.NaN }, {}, 'limits.keys'],
  [{ keys: '10' as unknown as number }, {}, 'limits.keys'],
  [{ eventByte: 5 } as object, {}, 'limits.eventByte'],
  [{ toString: 5 } as object, {}, 'limits.toString'],
])('refuses %j with bounds %j', (given, bounds, path) => {
  expect(failure(() => resolveLimits(given, bounds))).toMatchObject({ code: 'config_invalid', path })
})
