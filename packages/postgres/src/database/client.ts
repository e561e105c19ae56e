import { MillraceError } from '@millrace/core/driver'
import type pg from 'pg'
import type { ClientConfig, Pool } from 'pg'
import type { Settings } from '../settings.ts'

/** Loads the client library and prepares a pool from the settings. Throws `config_invalid` where `pg` is not installed. */
export async function openPool(settings: Settings, startup: ClientConfig): Promise<Pool> {
  if (settings.pool !== undefined) return settings.pool
  const { default: pg } = await importPg()
  const pool = new pg.Pool({
    max: settings.maxConnections,
    connectionTimeoutMillis: settings.connectTimeoutMs,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    pipeline: true,
    ...clientConfig(settings, startup),
  })
  // From its first moment: the server may end it in the same breath in which it lets it in.
  pool.on('connect', (client) => void client.on('error', ignoreFailure))
  return pool
}

/** What a connection is opened with. */
export function clientConfig(settings: Settings, startup: ClientConfig): ClientConfig {
  return {
    connectionString: settings.url,
    application_name: 'millrace',
    keepAlive: true,
    ...startup,
    ...settings.client,
  }
}

/** The client library. Throws `config_invalid`, naming what to install. */
export async function importPg(): Promise<{ readonly default: typeof pg }> {
  try {
    return await import('pg')
  } catch (cause) {
    throw new MillraceError('config_invalid', 'The PostgreSQL engine needs the package "pg": npm install pg.', {
      cause,
    })
  }
}

/** The schema as it stands in statements. */
export function quoted(schema: string): string {
  return `"${schema.replaceAll('"', '""')}"`
}

/** The error of everything that is asked of a closed engine. */
export function closedError(where: string): MillraceError {
  return new MillraceError('closed', `The engine ${where} is not connected, or is closed.`)
}

/** For what fails while nobody waits for it: the pool replaces the connection, and whoever needs one and gets none is told. */
export function ignoreFailure(): void {}
