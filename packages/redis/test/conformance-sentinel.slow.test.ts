import { available, type RedisSentinel, startRedisSentinel } from 'engines'
import { afterAll, beforeAll, describe } from 'vitest'
import { suite } from './suite.ts'

describe.runIf(await available('redis-server'))('a primary behind a Sentinel', () => {
  let sentinel: RedisSentinel
  beforeAll(async () => {
    // A primary that a busy machine holds up must not be replaced.
    sentinel = await startRedisSentinel({ downAfterMs: 60_000 })
  })
  afterAll(() => sentinel.stop())
  suite('redis sentinel', () => ({ url: sentinel.url }))
})
