import type { ChildOutcome, TaskRow } from '@millrace/core/driver'
import { errorOf, SELECT_TASK, type StoredTask, taskOf } from '../../task-row.ts'
import { stateName } from '../../task-state.ts'
import type { ReaderState } from '../reader-state.ts'

/** Tasks by id, in the order asked for. */
export function getTasks({ sql }: ReaderState, { ids }: { readonly ids: readonly string[] }): readonly TaskRow[] {
  const rows = ids.map((id) => sql.get<StoredTask>(`${SELECT_TASK} WHERE t.id = ?`, id))
  return rows.flatMap((row) => (row === undefined ? [] : [taskOf(row)]))
}

/** How the children of a task have ended so far. */
export function outcomesOf({ sql }: ReaderState, { parent }: { readonly parent: string }): readonly ChildOutcome[] {
  const rows = sql.all<StoredTask>(
    `${SELECT_TASK} WHERE t.parent = ? AND t.ended IS NOT NULL ORDER BY t.place_in_flow`,
    parent,
  )
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    state: stateName(row.state) as ChildOutcome['state'],
    output: row.output ?? undefined,
    error: errorOf(row),
  }))
}

/** Workers that hold tasks. */
export function taskHolders({ sql }: ReaderState): readonly string[] {
  return sql.arrays<[string]>('SELECT name FROM task_workers WHERE held > 0 ORDER BY name').map(([name]) => name)
}

/** What runs under claims of a worker. */
export function runningTasks(
  { sql }: ReaderState,
  { worker }: { readonly worker: string },
): readonly { readonly id: string; readonly starts: number }[] {
  return sql
    .arrays<[id: string, starts: number]>(
      `SELECT t.id, r.starts FROM task_running r JOIN tasks t ON t.n = r.n
       WHERE r.worker = (SELECT id FROM task_workers WHERE name = ?)`,
      worker,
    )
    .map(([id, starts]) => ({ id, starts }))
}

/** The lines of a task. */
export function taskLogs({ sql }: ReaderState, { id }: { readonly id: string }): readonly string[] {
  const rows = sql.arrays<[string]>(
    'SELECT l.text FROM task_logs l WHERE l.n = (SELECT n FROM tasks WHERE id = ?) ORDER BY l.line',
    id,
  )
  return rows.map(([text]) => text)
}
