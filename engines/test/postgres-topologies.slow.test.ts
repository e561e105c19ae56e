import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { available, psql, startPgbouncer, startPostgres, startPostgresPair } from '../src/index.ts'

beforeEach(() => void vi.stubEnv('MILLRACE_TEST_PGBOUNCER_URL', ''))
afterEach(() => void vi.unstubAllEnvs())

describe.skipIf(!(await available('postgres')))('a primary with a standby', () => {
  test('the standby follows, refuses writes, and takes them when it is promoted', async () => {
    await using pair = await startPostgresPair()
    await psql(pair.primary.url, 'CREATE TABLE kept (n int)')
    await psql(pair.primary.url, 'INSERT INTO kept VALUES (7)')
    await pair.inStep()
    expect(await psql(pair.standby.url, 'SELECT n FROM kept')).toEqual(['7'])
    await expect(psql(pair.standby.url, 'INSERT INTO kept VALUES (8)')).rejects.toThrow('read-only transaction')
    await pair.primary.kill()
    await pair.promote()
    await psql(pair.standby.url, 'INSERT INTO kept VALUES (8)')
    expect(await psql(pair.standby.url, 'SELECT n FROM kept ORDER BY n')).toEqual(['7', '8'])
  })

  test('a synchronous standby has what was committed', async () => {
    await using pair = await startPostgresPair({ synchronous: true })
    await psql(pair.primary.url, 'CREATE TABLE kept (n int)')
    for (let n = 0; n < 20; n += 1) await psql(pair.primary.url, `INSERT INTO kept VALUES (${n})`)
    await pair.primary.kill()
    await pair.promote()
    expect(await psql(pair.standby.url, 'SELECT count(*)::int AS n FROM kept')).toEqual(['20'])
  })
})

test.skipIf(!(await available('postgres', 'pgbouncer')))(
  'pgbouncer shares few connections among many clients, and comes back after a kill',
  async () => {
    await using server = await startPostgres({ own: true })
    await using pooler = await startPgbouncer(server, { poolSize: 2 })
    expect(pooler.version).toMatch(/^\d+\.\d+/)
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => psql(pooler.url, 'SELECT pg_backend_pid() FROM pg_sleep(0.1)')),
    )
    expect(new Set(answers.flat()).size).toBeLessThanOrEqual(2)
    await pooler.kill()
    await expect(psql(pooler.url, 'SELECT 1')).rejects.toThrow()
    await pooler.restart()
    expect(await psql(pooler.url, 'SELECT 1 AS n')).toEqual(['1'])
  },
)
