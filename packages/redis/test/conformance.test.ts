import { available, type EngineServer, startRedis } from 'engines'
import { afterAll, beforeAll, describe } from 'vitest'
import { suite } from './suite.ts'

describe.runIf(await available('redis-server'))('one server, by its URL', () => {
  let server: EngineServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())
  suite('redis', () => ({ url: server.url }))
})
