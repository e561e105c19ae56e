import type { Finding } from '@millrace/core/driver'
import { statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { pragmaNumber } from '../file/migrate.ts'
import { sqliteVersion } from '../file/open-database.ts'
import { MIGRATIONS } from '../migrations/migrations.ts'
import type { ReaderState } from './reader-state.ts'
import { taskContradictions } from './tasks/verify-tasks.ts'

const LOW_DISK_BYTES = 256 * 1024 * 1024
const LARGE_LOG_BYTES = 512 * 1024 * 1024

/** What the doctor sees in this file; `verify` reads all of it. */
export function diagnose(state: ReaderState, { verify }: { readonly verify: boolean }): readonly Finding[] {
  const findings = [...engineFindings(state), ...fileFindings(state), ...orphanFindings(state)]
  if (verify) findings.push(integrity(state), taskCounts(state))
  return findings
}

function engineFindings({ sql: { db }, settings }: ReaderState): Finding[] {
  const mode = String(db.prepare('PRAGMA journal_mode').get()?.['journal_mode'])
  const full = settings.synchronous === 'full'
  return [
    fine('version', `SQLite ${sqliteVersion(db)}.`),
    mode === 'wal' ? fine('journal', 'Write-ahead log.') : problem('journal', `Journal mode is ${mode}, not wal.`),
    full
      ? fine('durability', 'fsync (synchronous=full): a stored event survives a power failure.')
      : notice(
          'durability',
          'os-cache (synchronous=normal): the last events before a power failure may be lost. Use synchronous=full to keep them.',
        ),
    fine('schema', `Schema version ${pragmaNumber(db, 'user_version')} of ${MIGRATIONS.length}.`),
  ]
}

function fileFindings({ sql: { db }, settings: { path, checkpointPages } }: ReaderState): Finding[] {
  const pages = pragmaNumber(db, 'page_count')
  const free = pragmaNumber(db, 'freelist_count')
  const stat = statSync(path)
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  const disk = statfsSync(dirname(path))
  const room = Number(disk.bavail) * Number(disk.bsize)
  const readableByAll = (stat.mode & 0o007) !== 0
  return [
    fine('file', `${path}: ${megabytes(stat.size)} in ${pages} pages, of which ${free} are free for new events.`),
    log < LARGE_LOG_BYTES
      ? fine('log', `${megabytes(log)}; copied into the file each ${checkpointPages} pages.`)
      : problem(
          'log',
          `${megabytes(log)}: a long-lived reader keeps it from being copied. Look for who has the file open.`,
        ),
    readableByAll
      ? notice(
          'rights',
          `Mode ${(stat.mode & 0o777).toString(8)}: everybody on this machine can open the file. chmod 600 it.`,
        )
      : fine('rights', `Mode ${(stat.mode & 0o777).toString(8)}.`),
    room > LOW_DISK_BYTES
      ? fine('disk', `${megabytes(room)} free.`)
      : problem('disk', `Only ${megabytes(room)} free. Make room before publishes are refused.`),
  ]
}

/** Rows that point at nothing: none of them is ever made, unless something else has written to the file. */
const ORPHANS: readonly (readonly [what: string, sql: string])[] = [
  [
    'side lane entries without a topic',
    'SELECT count(*) FROM lane WHERE partition_id NOT IN (SELECT id FROM partitions)',
  ],
  ['side lane entries without a group', 'SELECT count(*) FROM lane WHERE group_id NOT IN (SELECT id FROM groups)'],
  ['dead letters without a group', 'SELECT count(*) FROM dead_letters WHERE group_id NOT IN (SELECT id FROM groups)'],
  [
    'progress without a partition',
    'SELECT count(*) FROM progress WHERE partition_id NOT IN (SELECT id FROM partitions)',
  ],
]

function orphanFindings({ sql: { db } }: ReaderState): Finding[] {
  const count = (text: string): number => Number(Object.values(db.prepare(text).get() ?? {})[0])
  const found = ORPHANS.map(([what, text]) => ({ what, rows: count(text) })).filter(({ rows }) => rows > 0)
  const dead = count(
    'SELECT count(*) FROM progress WHERE owner IS NOT NULL AND owner NOT IN (SELECT member FROM members)',
  )
  return [
    found.length === 0
      ? fine('orphans', 'No rows that point at nothing.')
      : problem(
          'orphans',
          `${found.map(({ what, rows }) => `${rows} ${what}`).join(', ')}. Something else wrote to the file.`,
        ),
    dead === 0
      ? fine('leases', 'Every lease has a living owner or none.')
      : notice('leases', `${dead} partitions are leased to members that are gone; a running member takes them over.`),
  ]
}

function integrity({ sql: { db } }: ReaderState): Finding {
  const lines: string[] = []
  try {
    for (const row of db.prepare('PRAGMA quick_check(5)').all()) lines.push(String(Object.values(row)[0]))
  } catch (error) {
    lines.push(error instanceof Error ? error.message : String(error))
  }
  return lines.length === 1 && lines[0] === 'ok'
    ? fine('integrity', 'All pages are sound (quick_check).')
    : problem('integrity', `The file is damaged: ${lines.join('; ')}. Stop all processes and restore a backup.`)
}

function taskCounts({ sql }: ReaderState): Finding {
  const found = taskContradictions(sql)
  return found.length === 0
    ? fine('tasks', 'Tasks, queues, keys and workers agree.')
    : problem('tasks', `${found.join('; ')}. Something else wrote to the file.`)
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`
}

function fine(check: string, text: string): Finding {
  return { check, level: 'fine', text }
}

function notice(check: string, text: string): Finding {
  return { check, level: 'notice', text }
}

function problem(check: string, text: string): Finding {
  return { check, level: 'problem', text }
}
