import { type ErrorCode, isMillraceError, MillraceError } from '@millrace/core/driver'

interface SqliteError extends Error {
  readonly errcode: number
  readonly errstr: string
}

interface Meaning {
  readonly code: ErrorCode
  readonly text: string
  readonly retriable: boolean
}

/** What SQLite's primary result codes (sqlite.org/rescode.html) mean here. */
const MEANINGS: Readonly<Record<number, Meaning>> = {
  3: { code: 'engine_permission', text: 'Access to the file is refused. Check its owner and mode.', retriable: false },
  5: {
    code: 'engine_busy',
    text: 'Another process holds the writer lock of the file. If it lasts, look for a stopped process that has it open.',
    retriable: true,
  },
  6: { code: 'engine_busy', text: 'The table is locked by another connection. Try again.', retriable: true },
  7: { code: 'engine_full', text: 'SQLite has no memory left.', retriable: true },
  8: { code: 'engine_read_only', text: 'The file or its folder is read-only. Make both writable.', retriable: false },
  10: { code: 'engine_unreachable', text: 'The disk answered with an input/output error. Check it.', retriable: true },
  11: {
    code: 'engine_corrupt',
    text: 'The file is damaged. Stop all processes and restore a backup, or recover it with the sqlite3 tool.',
    retriable: false,
  },
  13: {
    code: 'engine_full',
    text: 'The disk or the file is full. Free some room or shorten retention.',
    retriable: true,
  },
  14: { code: 'engine_unreachable', text: 'The file cannot be opened. Check its path and rights.', retriable: false },
  26: { code: 'engine_corrupt', text: 'The file is not a SQLite database. Choose another path.', retriable: false },
}

/** Turns whatever SQLite threw into a `MillraceError`; one that is such an error already stays as it is. */
export function toEngineError(error: unknown, path: string): MillraceError {
  if (isMillraceError(error)) return error
  if (!isSqliteError(error)) {
    return new MillraceError('internal', `An unexpected failure in the SQLite driver on ${path}.`, { cause: error })
  }
  const meaning = MEANINGS[error.errcode & 0xff]
  return new MillraceError(
    meaning?.code ?? 'internal',
    `SQLite failed on ${path}: ${error.message} (code ${error.errcode}). ${meaning?.text ?? ''}`.trimEnd(),
    { cause: error, retriable: meaning?.retriable ?? false, facts: { sqliteCode: error.errcode } },
  )
}

function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
}
