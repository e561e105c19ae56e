import { available, type EngineServer, startRedis } from 'engines'
import { afterAll, beforeAll, describe } from 'vitest'
import { suite } from './suite.ts'

describe.runIf(await available('redis-server', 'valkey-server'))('a Valkey server', () => {
  let server: EngineServer
  beforeAll(async () => {
    server = await startRedis({ program: 'valkey-server' })
  })
  afterAll(() => server.stop())
  suite('valkey', () => ({ url: server.url }))
})
