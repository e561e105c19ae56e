import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'

/** The application's own file: read models, sessions, and what is still to be published. */
export interface Database {
  readonly connection: DatabaseSync
  /** A prepared statement, kept for the next time. */
  prepare(sql: string): StatementSync
  close(): void
}

const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE handled (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX handled_at ON handled (at);
  CREATE TABLE outbox (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, event TEXT NOT NULL);

  CREATE TABLE minutes (
    origin TEXT NOT NULL, minute INTEGER NOT NULL,
    pages INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, requests INTEGER NOT NULL DEFAULT 0,
    crawlers INTEGER NOT NULL DEFAULT 0, resources INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (origin, minute)
  ) WITHOUT ROWID;
  CREATE TABLE tallies (
    subject TEXT NOT NULL, origin TEXT NOT NULL, hour INTEGER NOT NULL, name TEXT NOT NULL,
    count INTEGER NOT NULL, failed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (subject, origin, hour, name)
  ) WITHOUT ROWID;
  CREATE TABLE visitors (
    visitor TEXT NOT NULL, origin TEXT NOT NULL, last_at INTEGER NOT NULL, touched_at INTEGER NOT NULL,
    PRIMARY KEY (visitor, origin)
  ) WITHOUT ROWID;
  CREATE INDEX visitors_last ON visitors (last_at);
  CREATE INDEX visitors_touched ON visitors (touched_at);
  CREATE TABLE vitals (
    origin TEXT NOT NULL, hour INTEGER NOT NULL, metric TEXT NOT NULL, bucket INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (origin, hour, metric, bucket)
  ) WITHOUT ROWID;

  CREATE TABLE sessions (
    id TEXT PRIMARY KEY, visitor TEXT NOT NULL, origin TEXT NOT NULL, correlation TEXT NOT NULL, open INTEGER NOT NULL,
    started_at INTEGER NOT NULL, last_at INTEGER NOT NULL, entry TEXT NOT NULL, exit TEXT NOT NULL,
    referrer TEXT NOT NULL, events INTEGER NOT NULL, pages INTEGER NOT NULL, touched_at INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX sessions_open ON sessions (visitor, origin) WHERE open = 1;
  CREATE INDEX sessions_due ON sessions (origin, last_at) WHERE open = 1;
  CREATE INDEX sessions_started ON sessions (origin, started_at);
  CREATE TABLE session_events (
    session TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, type TEXT NOT NULL, path TEXT NOT NULL,
    PRIMARY KEY (session, number)
  ) WITHOUT ROWID;
  CREATE INDEX sessions_touched ON sessions (touched_at);
  CREATE TABLE session_totals (
    origin TEXT NOT NULL, hour INTEGER NOT NULL, sessions INTEGER NOT NULL, pages INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL, single_page INTEGER NOT NULL, uncounted INTEGER NOT NULL,
    PRIMARY KEY (origin, hour)
  ) WITHOUT ROWID;
  CREATE TABLE known_visitors (visitor TEXT PRIMARY KEY, user TEXT NOT NULL, touched_at INTEGER NOT NULL) WITHOUT ROWID;
  `,
]

/**
 * Opens the file and brings its schema up to date. Commits are durable (`synchronous = FULL`): an event is acknowledged
 * to the engine after its effect is on disk, never before.
 */
export function openDatabase(path: string): Database {
  mkdirSync(dirname(path), { recursive: true })
  const connection = new DatabaseSync(path, { timeout: 10_000 })
  connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY')
  migrate(connection)
  const statements = new Map<string, StatementSync>()
  return {
    connection,
    prepare(sql) {
      const known = statements.get(sql)
      if (known !== undefined) return known
      const statement = connection.prepare(sql)
      statements.set(sql, statement)
      return statement
    },
    close: () => {
      if (connection.isOpen) connection.close()
    },
  }
}

function migrate(connection: DatabaseSync): void {
  connection.exec('BEGIN IMMEDIATE')
  try {
    const version = Number(connection.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
    for (const sql of MIGRATIONS.slice(version)) connection.exec(sql)
    connection.exec(`PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`)
  } catch (error) {
    connection.exec('ROLLBACK')
    throw error
  }
}
