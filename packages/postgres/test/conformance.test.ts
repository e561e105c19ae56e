import { afterAll, describe } from 'vitest'
import { suite } from './suite.ts'
import { hasPostgres, testServer } from './test-server.ts'

describe.skipIf(!hasPostgres)('PostgreSQL', () => {
  afterAll(async () => (await testServer()).stop())
  suite('postgres', async () => (await testServer()).url)
})
