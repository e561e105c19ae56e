import type { ChildOutcome, TaskRow, TaskState } from '@millrace/core/driver'
import type { Database } from '../database/database.ts'
import { decodeName, decodeOptional, encodeName } from '../name-codec.ts'
import { decodeError } from './task-error.ts'

/** Tasks by id, in the order asked for. */
export async function getTasks(database: Database, ids: readonly string[]): Promise<readonly TaskRow[]> {
  const rows = await database.rows<StoredTask>(
    `SELECT ${TASK_COLUMNS} FROM $S.tasks_by_id_1($1) t`,
    ids.map(encodeName),
  )
  return rows.map(taskRowOf)
}

/** How the children of a task have ended. */
export async function childOutcomes(database: Database, parent: string): Promise<readonly ChildOutcome[]> {
  const rows = await database.rows<{
    id: string
    name: string
    state: ChildOutcome['state']
    output: string | null
    error: string | null
  }>(
    `SELECT c.id, c.name, c.state, c.output, c.error FROM $S.tasks p JOIN $S.task_states c ON c.parent = p.n
     WHERE p.id = $1 AND c.ended IS NOT NULL ORDER BY c.place`,
    encodeName(parent),
  )
  return rows.map(({ id, name, state, output, error }) => ({
    id: decodeName(id),
    name: decodeName(name),
    state,
    output: decodeOptional(output),
    error: decodeError(error),
  }))
}

/** A row of `task_states` with `TASK_COLUMNS`. */
export interface StoredTask {
  readonly id: string
  readonly queue_name: string
  readonly name: string
  readonly state: TaskState
  readonly body: string
  readonly key: string | null
  readonly tenant: string | null
  readonly head: number
  readonly attempts: number
  readonly starts: number
  readonly crashes: number
  readonly worker: string | null
  readonly added: number
  readonly due: number
  readonly delayed_until: number | null
  readonly why: number | null
  readonly started: number | null
  readonly ended: number | null
  readonly expires: number | null
  readonly cancelling: boolean
  readonly dedupe: string | null
  readonly parent_id: string | null
  readonly pending_children: number
  readonly output: string | null
  readonly error: string | null
  readonly progress: string | null
}

/** What `taskRowOf` needs, of `$S.task_states t`. */
export const TASK_COLUMNS = `t.id, t.queue_name, t.name, t.state, t.body, t.key, t.tenant, t.head, t.attempts, t.starts, t.crashes, t.worker, t.added, t.due,
  t.delayed_until, t.why, t.started, t.ended, t.expires, t.cancelling, t.dedupe, t.output, t.error,
  (SELECT p.id FROM $S.tasks p WHERE p.n = t.parent) AS parent_id, (SELECT p.progress FROM $S.task_progress p WHERE p.n = t.n) AS progress,
  CASE WHEN t.flags & 64 = 0 THEN 0 ELSE (SELECT count(*)::integer FROM $S.tasks c WHERE c.parent = t.n
    AND NOT EXISTS (SELECT 1 FROM $S.task_ends e WHERE e.n = c.n)) END AS pending_children`

const DELAYED_BY = [undefined, 'delay', 'retry', 'rate'] as const

export function taskRowOf(row: StoredTask): TaskRow {
  return {
    id: decodeName(row.id),
    queue: decodeName(row.queue_name),
    name: decodeName(row.name),
    state: row.state,
    body: decodeName(row.body),
    key: decodeOptional(row.key),
    tenant: decodeOptional(row.tenant),
    headStartMs: row.head,
    attempts: row.attempts,
    starts: row.starts,
    crashes: row.crashes,
    worker: decodeOptional(row.worker),
    addedAt: row.added,
    dueAt: row.delayed_until ?? row.due,
    startedAt: row.started ?? undefined,
    endedAt: row.ended ?? undefined,
    expiresAt: row.expires ?? undefined,
    delayedBy: DELAYED_BY[row.why ?? 0],
    cancelling: row.cancelling,
    dedupeKey: decodeOptional(row.dedupe),
    parent: decodeOptional(row.parent_id),
    pendingChildren: row.pending_children,
    output: decodeOptional(row.output),
    error: decodeError(row.error),
    progress: decodeOptional(row.progress),
  }
}
