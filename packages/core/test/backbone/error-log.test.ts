import { expect, it } from 'vitest'
import { createErrorLog } from '../../src/backbone/error-log.ts'
import { MillraceError } from '../../src/runtime/error.ts'
import { silentLog, type LogFields } from '../../src/runtime/log.ts'

it('logs a failure with its code, and the same one once a minute with how often it was left out', () => {
  const lines: (readonly [string, LogFields | undefined])[] = []
  let now = 0
  const log = { ...silentLog, error: (text: string, fields?: LogFields) => void lines.push([text, fields]) }
  const onError = createErrorLog({ log, monotonic: () => now })
  const away = new MillraceError('engine_unreachable', 'The engine is away.', { retriable: true })
  for (const at of [0, 5_000, 59_999, 60_000, 61_000]) {
    now = at
    onError(away)
  }
  onError(new TypeError('other'))
  onError('text')
  expect(lines).toEqual([
    ['MillraceError: The engine is away.', { code: 'engine_unreachable', retriable: true }],
    ['MillraceError: The engine is away.', { code: 'engine_unreachable', retriable: true, repeated: 2 }],
    ['TypeError: other', {}],
    ['text', {}],
  ])
})

it('keeps a bounded number of texts', () => {
  let lines = 0
  const onError = createErrorLog({ log: { ...silentLog, error: () => void (lines += 1) }, monotonic: () => 0 })
  for (const n of [...Array(101).keys(), 0]) onError(new Error(`failure ${n}`))
  expect(lines).toBe(102)
})
