import { available, type EngineServer, startPostgres } from 'engines'
import { afterAll, beforeAll, describe } from 'vitest'
import { suite } from './suite.ts'

describe.runIf(await available('postgres', 'postgres-18'))('PostgreSQL 18', () => {
  let server: EngineServer
  beforeAll(async () => {
    server = await startPostgres({ version: 18 })
  })
  afterAll(() => server.stop())
  suite('postgres 18', async () => server.url)
})
