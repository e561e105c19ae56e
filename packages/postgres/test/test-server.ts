import { available, type EngineServer, startPostgres } from 'engines'
import { Client } from 'pg'

/** Whether the tests can have a PostgreSQL; where not, one loud line says so. */
export const hasPostgres: boolean = await available('postgres')

let server: Promise<EngineServer> | undefined
let schemas = 0

/** The server of this test file: started once, ended with the process. */
export function testServer(): Promise<EngineServer> {
  return (server ??= startPostgres())
}

/** A name that no other test of this file uses. */
export function freshSchema(): string {
  schemas += 1
  return `t${process.pid}_${schemas}`
}

/** Asks the server something as its superuser; the rows of the last statement. */
export async function ask(url: string, text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const result: unknown = await client.query(text, values.length === 0 ? undefined : values)
    const last: unknown = Array.isArray(result) ? result.at(-1) : result
    return (last as { rows: Record<string, unknown>[] }).rows
  } finally {
    await client.end()
  }
}
