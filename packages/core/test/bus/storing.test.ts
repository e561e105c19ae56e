import { expect, test } from 'vitest'
import { createStoring } from '../../src/bus/storing.ts'
import { type ErrorCode, MillraceError } from '../../src/driver.ts'
import { testRuntime } from '../../src/testing.ts'

function failing(code: ErrorCode, times: number): () => Promise<string> {
  let failures = 0
  return async () => {
    failures += 1
    if (failures <= times) throw new MillraceError(code, 'It fails for the moment.')
    return 'stored'
  }
}

test.each(['internal', 'engine_unreachable', 'engine_corrupt'] as const)(
  'what failed as %s is tried until it is stored, and told once',
  async (code) => {
    const runtime = testRuntime(1)
    const errors: unknown[] = []
    const storing = createStoring({ runtime, onError: (error) => void errors.push(error) })
    const stored = storing.persist(failing(code, 5))
    await runtime.advance(60_000)
    expect(await stored).toBe('stored')
    expect(errors).toMatchObject([{ code }])
  },
)

test('what is refused for good is not tried again', async () => {
  const storing = createStoring({ runtime: testRuntime(1), onError: () => undefined })
  await expect(storing.persist(failing('group_unknown', 1))).rejects.toMatchObject({ code: 'group_unknown' })
})

test('whoever has given up does not try again either', async () => {
  const storing = createStoring({ runtime: testRuntime(1), onError: () => undefined })
  storing.giveUp()
  await expect(storing.persist(failing('internal', 1))).rejects.toMatchObject({ code: 'internal' })
})
