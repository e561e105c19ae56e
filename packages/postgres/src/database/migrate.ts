import { isMillraceError, MillraceError } from '@millrace/core/driver'
import { MIGRATIONS, type Migration } from '../migrations/migrations.ts'
import type { Database, Sql } from './database.ts'
import { stateOf } from './postgres-error.ts'

/**
 * Brings the schema up to date in one transaction, one process at a time (an advisory lock of the transaction, which works behind a
 * pooler too). A schema of a newer release is fine as long as none of its changes was breaking. Throws `engine_schema_newer`,
 * `engine_permission`.
 */
export async function migrate(
  database: Database,
  mode: 'auto' | 'check',
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  if ((await versionOf(database, database, migrations)) >= migrations.length) return
  if (mode === 'check') throw tooOld(database)
  try {
    await database.transaction(async (sql) => {
      await sql.rows('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', `millrace ${database.schema}`)
      const version = await versionOf(sql, database, migrations)
      if (version >= migrations.length) return
      if (version === 0) {
        if ((await sql.first('SELECT 1 FROM pg_namespace WHERE nspname = $1', database.schema)) === undefined)
          await sql.run('CREATE SCHEMA $S')
        await sql.run(
          'CREATE TABLE $S.schema_version (version integer NOT NULL, readable_by integer NOT NULL, at timestamptz NOT NULL)',
        )
        await sql.run('INSERT INTO $S.schema_version VALUES (0, 0, now())')
      }
      // A function is looked through when it is first called: doing so for all of them here takes a third of the time.
      await sql.run('SET LOCAL check_function_bodies = off')
      for (const { sql: text } of migrations.slice(version)) await sql.run(text)
      const breaking = migrations.findLastIndex((each) => each.breaking === true) + 1
      await sql.run(
        'UPDATE $S.schema_version SET version = $1, readable_by = greatest(readable_by, $2), at = now()',
        migrations.length,
        Math.max(1, breaking),
      )
    })
  } catch (error) {
    const state = stateOf(error instanceof Error ? error.cause : undefined)
    if (isMillraceError(error, 'engine_permission') || state === '42501') throw mayNotMigrate(database, error)
    throw error
  }
}

/** The version of the schema: 0 where there is none. Throws `engine_schema_newer`. */
async function versionOf(sql: Sql, { where, schema }: Database, migrations: readonly Migration[]): Promise<number> {
  const there = await sql.first(
    'SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = $2',
    schema,
    'schema_version',
  )
  if (there === undefined) return 0
  const row = await sql.first<{ version: number; readable_by: number }>(
    'SELECT version, readable_by FROM $S.schema_version',
  )
  if (row !== undefined && row.readable_by > migrations.length) {
    throw new MillraceError(
      'engine_schema_newer',
      `The schema at ${where} has version ${row.version}, which workers below version ${row.readable_by} cannot use; this release knows ${migrations.length}. Install the newer Millrace.`,
    )
  }
  return row?.version ?? 0
}

function tooOld({ where }: Database): MillraceError {
  return new MillraceError(
    'config_invalid',
    `The schema at ${where} is missing or older than this release. Start once with the owner's role and migrate: 'auto', then the workers.`,
  )
}

function mayNotMigrate({ where, schema }: Database, cause: unknown): MillraceError {
  return new MillraceError(
    'engine_permission',
    `The role may not create or update the schema "${schema}" at ${where}. Migrate once with the owner's role, and grant this one what docs/engines/postgres.md lists.`,
    { cause },
  )
}
