import type { CallerDatabase } from '@millrace/conformance'
import { DatabaseSync } from 'node:sqlite'

/** A caller of its own handle on the file, which the engine has made. */
export function callerDatabase(path: string): CallerDatabase {
  const db = new DatabaseSync(path, { timeout: 10_000 })
  db.exec('CREATE TABLE IF NOT EXISTS marks (n INTEGER PRIMARY KEY, mark TEXT NOT NULL)')
  return {
    async begin() {
      db.exec('BEGIN IMMEDIATE')
      return {
        tx: db,
        mark: async (mark) => void db.prepare('INSERT INTO marks (mark) VALUES (?)').run(mark),
        commit: async () => db.exec('COMMIT'),
        rollback: async () => db.exec('ROLLBACK'),
      }
    },
    markStatement: (mark) => ({ sql: 'INSERT INTO marks (mark) VALUES (?)', values: [mark] }),
    wrongStatement: { sql: 'INSERT INTO marks (mark) VALUES (NULL)' },
    marks: async () =>
      db
        .prepare('SELECT mark FROM marks ORDER BY n')
        .all()
        .map(({ mark }) => String(mark)),
    close: async () => db.close(),
  }
}
