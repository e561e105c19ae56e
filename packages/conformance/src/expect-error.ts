import assert from 'node:assert/strict'
import { isMillraceError, type ErrorCode } from '@millrace/core/driver'

/** Asserts that a call fails with this code, be it thrown at once or later. */
export async function expectError(code: ErrorCode, call: () => unknown): Promise<void> {
  let outcome: unknown
  try {
    outcome = await call()
  } catch (error) {
    assert.ok(isMillraceError(error), `expected ${code}, got ${String(error)}`)
    assert.equal(error.code, code)
    return
  }
  assert.fail(`expected ${code}, but the call succeeded with ${JSON.stringify(outcome)}`)
}
