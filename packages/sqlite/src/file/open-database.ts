import { MillraceError } from '@millrace/core/driver'
import { DatabaseSync } from 'node:sqlite'
import type { Settings } from '../settings.ts'
import type { FaultPoint } from './fault-point.ts'
import { migrate, pragmaNumber } from './migrate.ts'
import { toEngineError } from './sqlite-error.ts'
import { checkSqliteVersion } from './sqlite-version.ts'

/** The reader walks along the log and needs a page once; the writer meets its index pages again and keeps more of them. */
const READER_CACHE_KIB = 8 * 1024
const WRITER_CACHE_KIB = 32 * 1024
const SYNCHRONOUS = { normal: 1, full: 2 } as const

/** Opens the file for writing: checks the version, sets the pragmas, migrates the schema. Throws `engine_*`. */
export function openForWriting(settings: Settings, fault: FaultPoint): DatabaseSync {
  return open(settings, (db) => {
    checkSqliteVersion(sqliteVersion(db), settings.processes)
    migrate(db, settings.path, fault)
    const wanted = SYNCHRONOUS[settings.synchronous]
    db.exec(`PRAGMA synchronous = ${wanted}; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -${WRITER_CACHE_KIB}`)
    if (settings.maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${settings.maxPages}`)
    if (pragmaNumber(db, 'synchronous') !== wanted) {
      throw new MillraceError('engine_version', `SQLite refuses the setting synchronous = ${settings.synchronous}.`)
    }
  })
}

/** Opens a file that `openForWriting` has prepared; every attempt to write fails. */
export function openForReading(settings: Settings): DatabaseSync {
  return open(settings, (db) => db.exec(`PRAGMA query_only = 1; PRAGMA cache_size = -${READER_CACHE_KIB}`))
}

/** The version of the SQLite library that is built into this Node.js. */
export function sqliteVersion(db: DatabaseSync): string {
  return String(db.prepare('SELECT sqlite_version() AS version').get()?.['version'])
}

function open(settings: Settings, prepare: (db: DatabaseSync) => void): DatabaseSync {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(settings.path, { timeout: settings.busyTimeoutMs, enableForeignKeyConstraints: false })
    db.exec('PRAGMA mmap_size = 0; PRAGMA trusted_schema = 0')
    switchToWal(db, settings)
    prepare(db)
    return db
  } catch (error) {
    db?.close()
    throw toEngineError(error, settings.path)
  }
}

function switchToWal(db: DatabaseSync, { path }: Settings): void {
  const mode = db.prepare('PRAGMA journal_mode').get()?.['journal_mode']
  if (mode === 'wal') return
  const applicationId = pragmaNumber(db, 'application_id')
  const tables = db.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()
  if (applicationId === 0 && tables?.['tables'] !== 0) return
  const now = db.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode']
  if (now !== 'wal') {
    throw new MillraceError(
      'engine_unreachable',
      `${path} cannot use a write-ahead log (its mode stays "${String(now)}"). Put it on a local disk.`,
    )
  }
}
