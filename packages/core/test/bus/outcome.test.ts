import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fingerprintOf } from '../../src/bus/fingerprint.ts'
import { describeFailure, judge, resolveRetry } from '../../src/bus/outcome.ts'
import { MillraceError } from '../../src/runtime/error.ts'

const policy = resolveRetry({ attempts: 3, backoff: { first: 100, factor: 2, ceiling: 250 } })
const failed = (error: unknown) => ({ ok: false, error }) as const

describe('judging an attempt', () => {
  it('takes nothing and foreign values for done', () => {
    expect(judge({ ok: true, result: undefined }, 1, policy, 0)).toEqual({ kind: 'done' })
    expect(judge({ ok: true, result: 'surprise' as never }, 1, policy, 0)).toEqual({ kind: 'done' })
  })

  it('waits longer each time, with full jitter, up to the ceiling', () => {
    expect(judge(failed(new Error('x')), 1, policy, 1)).toEqual({ kind: 'retry', delayMs: 100 })
    expect(judge(failed(new Error('x')), 2, policy, 1)).toEqual({ kind: 'retry', delayMs: 200 })
    expect(judge(failed(new Error('x')), 2, policy, 0)).toEqual({ kind: 'retry', delayMs: 0 })
    expect(
      judge(failed(new Error('x')), 9, resolveRetry({ attempts: 99, backoff: { first: 100, ceiling: 250 } }), 1),
    ).toEqual({ kind: 'retry', delayMs: 250 })
  })

  it('buries after the last attempt, at a rejection, and where retryIf says no', () => {
    expect(judge(failed(new Error('x')), 3, policy, 0)).toMatchObject({
      kind: 'dead-letter',
      code: 'handler_failed',
      message: 'x',
    })
    expect(judge({ ok: true, result: { outcome: 'reject', reason: 'no' } }, 1, policy, 0)).toMatchObject({
      kind: 'dead-letter',
      code: 'handler_rejected',
      message: 'no',
    })
    const picky = resolveRetry({ retryIf: (error) => !(error instanceof TypeError) })
    expect(judge(failed(new TypeError('x')), 1, picky, 0).kind).toBe('dead-letter')
    expect(judge(failed(new RangeError('x')), 1, picky, 0).kind).toBe('retry')
  })

  it('buries at once what the same bytes will meet again', () => {
    expect(judge(failed(new MillraceError('event_malformed', 'no')), 1, policy, 0)).toMatchObject({
      kind: 'dead-letter',
      code: 'event_malformed',
    })
  })

  it('counts a wished retry as an attempt', () => {
    const wish = { ok: true, result: { outcome: 'retry', afterMs: 60_000 } } as const
    expect(judge(wish, 1, policy, 0)).toEqual({ kind: 'retry', delayMs: 60_000 })
    expect(judge(wish, 3, policy, 0).kind).toBe('dead-letter')
  })
})

describe('describing a failure', () => {
  it('describes whatever was thrown, bounded, and never throws', () => {
    const circular = new Error('a')
    circular.cause = circular
    const hostile = Object.freeze({ toString: () => { throw new Error('hostile') } }) // prettier-ignore
    for (const thrown of [
      null,
      undefined,
      'text',
      0n,
      Symbol('s'),
      Object.freeze(new Error('frozen')),
      circular,
      hostile,
      new Error('m'.repeat(10_000_000)),
    ]) {
      const { code, message } = describeFailure(thrown)
      expect(code).toBe('handler_failed')
      expect(message.length).toBeLessThan(5_000)
    }
  })

  it.each([
    [new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') }), 'TypeError: fetch failed; cause: connect ECONNREFUSED'], // prettier-ignore
    [new AggregateError([new Error('no route')], ''), 'AggregateError; cause: no route'],
    [new Error('a', { cause: { status: 500 } }), 'a; cause: an object with status'],
    [{ code: 'X', token: 'secret' }, 'Thrown: an object with code, token'],
    [{ message: 'row is locked', status: 409 }, 'Thrown: row is locked'],
    [{}, 'Thrown: an empty object'],
  ])('says of %o what lies beneath', (thrown, message) => {
    expect(describeFailure(thrown).message).toBe(message)
  })

  it('gives equal failures equal fingerprints and others not', () => {
    const of = (message: string, code = 'handler_failed') => fingerprintOf({ code, message, stack: undefined })
    expect(of('order 42 not found')).toBe(of('order 77 not found'))
    expect(of('user "ann" is gone')).toBe(of('user "bob" is gone'))
    expect(of('order 42 not found')).not.toBe(of('order 42 not paid'))
    expect(of('x', 'handler_failed')).not.toBe(of('x', 'handler_timeout'))
    fc.assert(fc.property(fc.string(), (message) => void expect(of(message)).toMatch(/^[0-9a-f]{16}$/)))
  })
})
