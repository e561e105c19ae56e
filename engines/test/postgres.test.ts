import { existsSync } from 'node:fs'
import { beforeEach, afterEach, expect, test, vi } from 'vitest'
import { Client } from 'pg'
import { available, startPostgres } from '../src/index.ts'

beforeEach(() => void vi.stubEnv('MILLRACE_TEST_POSTGRES_URL', ''))
afterEach(() => void vi.unstubAllEnvs())

test.skipIf(!(await available('postgres')))(
  'what was stored survives a kill, on the same port, and is gone after stop',
  async () => {
    await using server = await startPostgres({ settings: { max_connections: '12' } })
    const { url, pid } = server
    expect(server.version).toMatch(/^\d+/)
    const [row] = await ask(url, 'CREATE TABLE kept AS SELECT 1 AS n; SHOW max_connections')
    expect(row).toEqual({ max_connections: '12' })
    const [folder] = await ask(url, 'SHOW data_directory')
    await server.kill()
    expect(server.pid).toBeUndefined()
    await expect(ask(url, 'SELECT 1')).rejects.toThrow()
    await server.restart()
    expect(server.url).toBe(url)
    expect(server.pid).not.toBe(pid)
    expect(await ask(url, 'SELECT n FROM kept')).toEqual([{ n: 1 }])
    await server.stop()
    await server.stop()
    expect(existsSync(String(folder?.['data_directory']))).toBe(false)
  },
)

async function ask(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const results: unknown = await client.query(text)
    const last: unknown = Array.isArray(results) ? results.at(-1) : results
    return (last as { rows: Record<string, unknown>[] }).rows
  } finally {
    await client.end()
  }
}
