import type { EngineServer } from './engine-server.ts'
import { runPostgresProgram, startPostgresProcess } from './postgres-process.ts'
import { psql } from './psql.ts'
import { until } from './until.ts'

/** Options of `startPostgresPair`. */
export interface PostgresPairOptions {
  /** Whether a commit waits until the standby has it on its disk. Default false: the standby lags a little behind. */
  readonly synchronous?: boolean
  /** Further parameters of both servers. */
  readonly settings?: Readonly<Record<string, string>>
}

/** A primary with a streaming standby, which answers reads and refuses writes until it is promoted. */
export interface PostgresPair {
  readonly primary: EngineServer
  readonly standby: EngineServer
  /** Settles when the standby has replayed all that the primary has written. */
  inStep(): Promise<void>
  /** Makes the standby take writes; settles when it does. The primary is neither asked nor ended. */
  promote(): Promise<void>
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const STANDBY = 'standby'

/** Starts both and settles when the standby streams. */
export async function startPostgresPair(options: PostgresPairOptions = {}): Promise<PostgresPair> {
  const { settings = {}, synchronous = false } = options
  const primary = await startPostgresProcess({ name: 'postgres', settings })
  const ask = async ({ url }: EngineServer, sql: string): Promise<string> => (await psql(url, sql)).join('\n')
  try {
    const standby = await startPostgresProcess({
      name: 'postgres-standby',
      // The name under which the primary knows it.
      settings: { ...settings, cluster_name: `'${STANDBY}'`, primary_conninfo: `'${connectionOf(primary.url)}'` },
      fill: async (data) => {
        const copy = ['--write-recovery-conf', '--wal-method=stream', '--checkpoint=fast', '--no-sync']
        await runPostgresProgram('pg_basebackup', '-D', data, '-d', primary.url, ...copy)
      },
    })
    const stop = async (): Promise<void> => {
      await standby.stop()
      await primary.stop()
    }
    const pair: PostgresPair = {
      primary,
      standby,
      async inStep() {
        const written = await ask(primary, 'SELECT pg_current_wal_flush_lsn()')
        await until('the standby has replayed it', async () => {
          return (await ask(standby, `SELECT pg_last_wal_replay_lsn() >= '${written}'`)) === 't'
        })
      },
      async promote() {
        await runPostgresProgram('pg_ctl', 'promote', '-D', standby.data, '--wait')
      },
      stop,
      [Symbol.asyncDispose]: stop,
    }
    try {
      await until('the standby streams', async () => {
        return (
          (await ask(primary, `SELECT state FROM pg_stat_replication WHERE application_name = '${STANDBY}'`)) ===
          'streaming'
        )
      })
      if (synchronous) {
        await ask(primary, `ALTER SYSTEM SET synchronous_standby_names = '${STANDBY}'`)
        await ask(primary, 'SELECT pg_reload_conf()')
        await until('the standby is synchronous', async () => {
          return (await ask(primary, 'SELECT sync_state FROM pg_stat_replication')) === 'sync'
        })
      }
    } catch (error) {
      await standby.stop()
      throw error
    }
    return pair
  } catch (error) {
    await primary.stop()
    throw error
  }
}

function connectionOf(url: string): string {
  const { hostname, port, username, password } = new URL(url)
  return `host=${hostname} port=${port} user=${username} password=''${decodeURIComponent(password)}''`
}
