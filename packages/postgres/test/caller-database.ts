import type { CallerDatabase } from '@millrace/conformance'
import { Client } from 'pg'

/** A caller with connections of its own to the database, and a table in the schema of the engine's test. */
export async function callerDatabase(url: string, schema: string): Promise<CallerDatabase> {
  const table = `${schema}.marks`
  const watcher = new Client({ connectionString: url })
  await watcher.connect()
  await watcher.query(`CREATE TABLE IF NOT EXISTS ${table} (n serial PRIMARY KEY, mark text NOT NULL)`)
  const clients: Client[] = [watcher]
  return {
    async begin() {
      const client = new Client({ connectionString: url })
      client.on('error', () => undefined)
      clients.push(client)
      await client.connect()
      await client.query('BEGIN')
      return {
        tx: client,
        mark: async (mark) => void (await client.query(`INSERT INTO ${table} (mark) VALUES ($1)`, [mark])),
        commit: async () => void (await client.query('COMMIT')),
        rollback: async () => void (await client.query('ROLLBACK')),
      }
    },
    markStatement: (mark) => ({ sql: `INSERT INTO ${table} (mark) VALUES ($1)`, values: [mark] }),
    wrongStatement: { sql: `INSERT INTO ${table} (mark) VALUES (NULL)` },
    async marks() {
      const { rows } = await watcher.query<{ mark: string }>(`SELECT mark FROM ${table} ORDER BY n`)
      return rows.map(({ mark }) => mark)
    },
    async close() {
      await Promise.all(clients.map((client) => client.end()))
    },
  }
}
