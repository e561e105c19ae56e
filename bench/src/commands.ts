import { Redis } from 'ioredis'
import { Client } from 'pg'

/** What a server was asked since the counter was opened. */
export interface CommandCount {
  /** Commands and statements that clients sent. */
  readonly sent: number
  /** Those that ran within scripts; statements within functions are not told by PostgreSQL. */
  readonly within: number
}

/** Counts what a server is asked, itself left out. */
export interface CommandCounter {
  read(): Promise<CommandCount>
  close(): Promise<void>
}

/** For a Redis, what MONITOR shows; for a PostgreSQL, what pg_stat_statements holds, `BEGIN` and `COMMIT` too. */
export function openCounter(url: string): Promise<CommandCounter> {
  return url.startsWith('redis') ? redisCounter(url) : postgresCounter(url)
}

async function redisCounter(url: string): Promise<CommandCounter> {
  const client = new Redis(url)
  const monitor = await client.monitor()
  let [sent, within] = [0, 0]
  monitor.on('monitor', (_time: string, _args: readonly string[], source: string) => {
    if (source === 'lua') within += 1
    else sent += 1
  })
  return {
    read: async () => ({ sent, within }),
    async close() {
      monitor.disconnect()
      client.disconnect()
    },
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
      return { sent: Number(rows[0]?.calls) - own++, within: 0 }
    },
    close: () => client.end(),
  }
}
