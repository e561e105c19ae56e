import { available, type EngineServer, startRedis } from 'engines'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe } from 'vitest'
import { suite } from './suite.ts'

describe.runIf(await available('redis-server'))('one server, through a client of ioredis', () => {
  let server: EngineServer
  let client: Redis
  beforeAll(async () => {
    server = await startRedis()
    client = new Redis(server.url)
  })
  afterAll(async () => {
    client.disconnect()
    await server.stop()
  })
  suite('ioredis', () => ({ client }))
})
