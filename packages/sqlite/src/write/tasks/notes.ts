import type { TaskNote } from '@millrace/core/driver'
import type { WriterState } from '../writer-state.ts'

/** Lines that a task keeps. */
const MOST_LINES = 1_000
const SELECT_RUNNING = `
  SELECT r.n FROM tasks t JOIN task_running r ON r.n = t.n WHERE t.id = ? AND r.worker = ? AND r.starts = ?`

/** Keeps what running tasks say of themselves; what was said under a claim that has ended is nobody's. */
export function noteTasks(state: WriterState, notes: readonly TaskNote[], workerId: number): void {
  for (const { id, starts, progress, log } of notes) {
    const running = state.sql.get<{ n: number }>(SELECT_RUNNING, id, workerId, starts)
    if (running === undefined) continue
    const { n } = running
    if (progress !== undefined) {
      state.sql.run(
        'INSERT INTO task_progress (n, progress) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET progress = ?2',
        n,
        progress,
      )
    }
    if (log.length > 0) addLines(state, n, log.slice(-MOST_LINES))
  }
}

function addLines({ sql }: WriterState, n: number, lines: readonly string[]): void {
  const last = sql.get<{ line: number | null }>('SELECT max(line) AS line FROM task_logs WHERE n = ?', n)?.line ?? 0
  const insert = sql.prepared('INSERT INTO task_logs (n, line, text) VALUES (?, ?, ?)')
  for (const [index, text] of lines.entries()) insert.run(n, last + index + 1, text)
  sql.run('DELETE FROM task_logs WHERE n = ? AND line <= ?', n, last + lines.length - MOST_LINES)
}
