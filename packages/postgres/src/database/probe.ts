import { type Durability, MillraceError } from '@millrace/core/driver'
import type { Sql } from './database.ts'

/** What a server says of itself. */
export interface ServerFacts {
  readonly version: string
  readonly versionNumber: number
  readonly durability: Durability
  readonly fsync: boolean
  readonly fullPageWrites: boolean
  readonly synchronousCommit: string
  readonly standbyNames: string
}

const LEAST_VERSION = 140_000

/** Asks the server; refuses one that is too old or a standby. Throws `engine_version`, `engine_read_only`. */
export async function probeServer(sql: Sql, where: string): Promise<ServerFacts> {
  const row = await sql.first<Record<string, string | boolean>>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS number,
       pg_is_in_recovery() AS standby, current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages,
       current_setting('synchronous_commit') AS commit, current_setting('synchronous_standby_names') AS standbys,
       current_setting('transaction_read_only') AS readonly, current_setting('default_transaction_isolation') AS isolation`,
  )
  const facts = {
    version: String(row?.['version']),
    versionNumber: Number(row?.['number']),
    fsync: row?.['fsync'] === 'on',
    fullPageWrites: row?.['pages'] === 'on',
    synchronousCommit: String(row?.['commit']),
    standbyNames: String(row?.['standbys']),
  }
  if (!(facts.versionNumber >= LEAST_VERSION)) {
    throw new MillraceError(
      'engine_version',
      `PostgreSQL ${facts.version} at ${where} is too old: 14 is the oldest that is supported. Upgrade the server.`,
    )
  }
  if (row?.['standby'] === true || row?.['readonly'] === 'on') {
    throw new MillraceError(
      'engine_read_only',
      `PostgreSQL at ${where} is a read-only standby. Reading from it could miss events: connect to the primary.`,
      { retriable: true },
    )
  }
  if (row?.['isolation'] !== 'read committed') {
    throw new MillraceError(
      'config_invalid',
      `PostgreSQL at ${where} begins transactions as ${String(row?.['isolation'])}, in which a publish would not see what came before it. ` +
        'Let the user begin them as usual: ALTER ROLE ... SET default_transaction_isolation = "read committed".',
    )
  }
  return { ...facts, durability: durabilityOf(facts) }
}

/** The level that the settings amount to. */
export function durabilityOf({
  fsync,
  fullPageWrites,
  synchronousCommit,
  standbyNames,
}: Pick<ServerFacts, 'fsync' | 'fullPageWrites' | 'synchronousCommit' | 'standbyNames'>): Durability {
  if (synchronousCommit === 'off') return 'memory'
  if (!fsync || !fullPageWrites) return 'os-cache'
  if (standbyNames === '' || synchronousCommit === 'local') return 'fsync'
  return synchronousCommit === 'remote_write' ? 'fsync' : 'quorum-fsync'
}
