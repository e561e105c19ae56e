import { createClient } from 'redis'
import { Client } from 'pg'

/** Counts what a server is asked. */
export interface CommandCounter {
  /** Commands since the server began, this count's own left out. */
  read(): Promise<number>
  close(): Promise<void>
}

/** For a Redis, all commands, those within scripts too; for a PostgreSQL, all statements, `BEGIN` and `COMMIT` too. */
export function openCounter(url: string): Promise<CommandCounter> {
  return url.startsWith('redis') ? redisCounter(url) : postgresCounter(url)
}

async function redisCounter(url: string): Promise<CommandCounter> {
  const client = createClient({ url, RESP: 2 })
  await client.connect()
  let own = 0
  return {
    async read() {
      const stats = await client.info('commandstats')
      const calls = [...stats.matchAll(/^cmdstat_\S+?:calls=(\d+)/gm)].reduce(
        (sum, [, count]) => sum + Number(count),
        0,
      )
      return calls - own++
    },
    close: async () => void (await client.close()),
  }
}

async function postgresCounter(url: string): Promise<CommandCounter> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements')
  let own = 0
  return {
    async read() {
      const { rows } = await client.query<{ calls: string }>('SELECT sum(calls) AS calls FROM pg_stat_statements')
      return Number(rows[0]?.calls) - own++
    },
    close: () => client.end(),
  }
}
