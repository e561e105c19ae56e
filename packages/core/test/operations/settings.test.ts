import { describe, expect, it } from 'vitest'
import { changedText, parseEnvironment, parseStored, variableOf } from '../../src/operations/settings.ts'

const at = '2026-01-01T00:00:00.000Z'

describe('the environment', () => {
  it.each([
    ['sync', { mode: 'sync' }],
    [' async ', { mode: 'async' }],
    ['auto, rollout=25, fallback=fail, maxWaitMs=500', { mode: 'auto', rollout: 25, fallback: 'fail', maxWaitMs: 500 }],
    ['rollout=0', { rollout: 0 }],
    ['mode=sync,', { mode: 'sync' }],
    ['', {}],
  ])('%j', (text, settings) => {
    expect(parseEnvironment(text, 'MILLRACE_OPERATION_X')).toEqual(settings)
  })

  it.each([
    ['asynk', 'mode'],
    ['rollout=101', 'rollout'],
    ['rollout=', 'rollout'],
    ['rollout=ten', 'rollout'],
    ['maxWaitMs=-1', 'maxWaitMs'],
    ['fallback=async', 'fallback'],
    ['colour=red', 'colour'],
  ])('refuses %j', (text, path) => {
    expect(() => parseEnvironment(text, 'MILLRACE_OPERATION_X')).toThrow(
      expect.objectContaining({
        code: 'operation_invalid',
        path,
        message: expect.stringContaining('MILLRACE_OPERATION_X'),
      }),
    )
  })

  it('is looked for under the name in capitals', () => {
    expect(variableOf('seo.audit-page')).toBe('MILLRACE_OPERATION_SEO_AUDIT_PAGE')
  })
})

describe('a change', () => {
  const change = (changes: object, stored?: string): string | undefined =>
    changedText('audit', stored === undefined ? undefined : parseStored('audit', stored), { change: changes, at })

  it('adds to what is stored, with when and by whom', () => {
    const first = change({ mode: 'async' }) as string
    expect(JSON.parse(first)).toEqual({ mode: 'async', changedAt: at })
    expect(parseStored('audit', change({ rollout: 5, by: 'Ada' }, first) as string)).toEqual({
      settings: { mode: 'async', rollout: 5 },
      changedAt: at,
      changedBy: 'Ada',
    })
  })

  it('takes back with null; nothing is stored when nothing is left', () => {
    const stored = change({ mode: 'sync', rollout: 5 }) as string
    expect(JSON.parse(change({ mode: null }, stored) as string)).toEqual({ rollout: 5, changedAt: at })
    expect(change({ mode: null, rollout: null }, stored)).toBeUndefined()
  })

  it.each([[{}], [{ by: 'Ada' }], [{ mode: 'later' }], [{ rollout: NaN }], [{ rollout: '5' }], [{ colour: 'red' }]])(
    'refuses %o',
    (changes) => {
      expect(() => change(changes)).toThrow(expect.objectContaining({ code: 'operation_invalid' }))
    },
  )
})

it.each([['not json'], ['[]'], ['null'], ['{"mode":"later"}']])('says that %j makes no sense', (text) => {
  expect(() => parseStored('audit', text)).toThrow(expect.objectContaining({ code: 'operation_invalid' }))
})
