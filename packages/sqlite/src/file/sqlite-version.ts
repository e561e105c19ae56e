import { MillraceError } from '@millrace/core/driver'

/** The first version in which two connections can write and checkpoint one WAL file without the risk of damage. */
const SAFE_FOR_MANY_PROCESSES = [3, 51, 3] as const
/** The oldest version whose SQL we use (`octet_length`, STRICT tables). */
const OLDEST_USABLE = [3, 43, 0] as const
/** Published and taken back by its authors. */
const WITHDRAWN = '3.52.0'

/**
 * Throws `engine_version` when this SQLite must not be used: below 3.51.3 (and in the withdrawn 3.52.0) a bug can damage a
 * WAL file that two connections write and checkpoint at once (sqlite.org/wal.html#walresetbug).
 */
export function checkSqliteVersion(version: string, processes: 'many' | 'single'): void {
  const oldest = processes === 'single' ? OLDEST_USABLE : SAFE_FOR_MANY_PROCESSES
  if (isAtLeastVersion(version, oldest) && (processes === 'single' || version !== WITHDRAWN)) return
  const advice =
    processes === 'single' || !isAtLeastVersion(version, OLDEST_USABLE)
      ? 'Use Node.js 24.21 or newer.'
      : "Use Node.js 24.21 or newer, or pass { processes: 'single' } when only one process ever opens the file."
  throw new MillraceError(
    'engine_version',
    `SQLite ${version} is not safe here: ${oldest.join('.')} or newer is needed. ${advice}`,
    { facts: { version, needed: oldest.join('.') } },
  )
}

function isAtLeastVersion(version: string, wanted: readonly number[]): boolean {
  const parts = version.split('.').map(Number)
  for (const [index, want] of wanted.entries()) {
    const have = parts[index] ?? 0
    if (have !== want) return have > want
  }
  return true
}
