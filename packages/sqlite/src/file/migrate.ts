import { MillraceError } from '@millrace/core/driver'
import type { DatabaseSync } from 'node:sqlite'
import { MIGRATIONS } from '../migrations/migrations.ts'
import type { FaultPoint } from './fault-point.ts'

/** `PRAGMA application_id` of a Millrace file: "Mlrc" in ASCII. */
export const APPLICATION_ID = 0x4d6c7263

/**
 * Brings the schema up to date, each migration in a transaction of its own; safe when several processes start at once.
 * Throws `engine_schema_newer` for a file of a newer Millrace, `engine_corrupt` for a SQLite file of somebody else.
 */
export function migrate(
  db: DatabaseSync,
  path: string,
  fault: FaultPoint,
  migrations: readonly string[] = MIGRATIONS,
): void {
  if (versionOf(db, path, migrations) === migrations.length) return
  for (;;) {
    db.exec('BEGIN IMMEDIATE')
    try {
      const version = versionOf(db, path, migrations)
      const next = migrations[version]
      if (next === undefined) {
        db.exec('ROLLBACK')
        return
      }
      db.exec(next)
      fault('mid-migration')
      db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${version + 1}; COMMIT`)
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
  }
}

/** The schema version of the file: 0 for an empty one. */
function versionOf(db: DatabaseSync, path: string, migrations: readonly string[]): number {
  const version = pragmaNumber(db, 'user_version')
  const applicationId = pragmaNumber(db, 'application_id')
  if (applicationId !== APPLICATION_ID) {
    const tables = db.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()
    if (applicationId !== 0 || version !== 0 || tables?.['tables'] !== 0) throw foreignFile(path)
    return 0
  }
  if (version > migrations.length) {
    throw new MillraceError(
      'engine_schema_newer',
      `${path} has schema version ${version}, but this Millrace knows only ${migrations.length}. Update this process first.`,
      { facts: { version, known: migrations.length } },
    )
  }
  return version
}

function foreignFile(path: string): MillraceError {
  return new MillraceError(
    'engine_corrupt',
    `${path} is a SQLite file of another application. Millrace leaves it as it is; choose another path.`,
  )
}

/** The value of a pragma that is one number. */
export function pragmaNumber(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0])
}
