import type { TaskError, TaskRow } from '@millrace/core/driver'
import { BY_RATE, BY_RETRY, DELAYED, RUNNING, stateName } from './task-state.ts'

/** A task as `SELECT_TASK` reads it. */
export interface StoredTask {
  readonly n: number
  readonly id: string
  readonly queue: string
  readonly name: string
  readonly state: number
  readonly body: string
  readonly key: string | null
  readonly tenant: string | null
  readonly headStart: number
  readonly attempts: number
  readonly starts: number
  readonly crashes: number
  readonly worker: string | null
  readonly added: number
  readonly due: number
  readonly started: number | null
  readonly ended: number | null
  readonly endOrder: number | null
  readonly expires: number | null
  readonly why: number
  readonly cancelling: number
  readonly dedupe: string | null
  readonly parent: string | null
  readonly pending: number
  readonly output: string | null
  readonly code: string | null
  readonly message: string | null
  readonly stack: string | null
  readonly fingerprint: string | null
  readonly progress: string | null
}

/** Reads whole tasks; a condition over `t`, `r`, `q` and `m` follows. */
export const SELECT_TASK: string = `
  SELECT t.n, t.id, q.name AS queue, m.name AS name, iif(r.n IS NULL, t.state, ${RUNNING}) AS state, t.body, t.key,
    t.tenant, t.head_start AS headStart, t.attempts, ifnull(r.starts, t.starts) AS starts, t.crashes, w.name AS worker,
    t.added, t.due, ifnull(r.started, t.started) AS started, t.ended, t.end_order AS endOrder, t.expires, t.why, ifnull(r.cancelling, 0) AS cancelling,
    t.dedupe, t.parent, t.pending, t.output, t.code, t.message, t.stack, t.fingerprint, p.progress
  FROM tasks t JOIN task_queues q ON q.id = t.queue JOIN task_names m ON m.id = t.name
    LEFT JOIN task_running r ON r.n = t.n LEFT JOIN task_workers w ON w.id = r.worker
    LEFT JOIN task_progress p ON p.n = t.n`

/** The task of a row. */
export function taskOf(row: StoredTask): TaskRow {
  const { id, queue, name, state, body, headStart, attempts, starts, crashes } = row
  return {
    id,
    queue,
    name,
    state: stateName(state),
    body,
    key: row.key ?? undefined,
    tenant: row.tenant ?? undefined,
    headStartMs: headStart,
    attempts,
    starts,
    crashes,
    worker: row.worker ?? undefined,
    addedAt: row.added,
    dueAt: row.due,
    startedAt: row.started ?? undefined,
    endedAt: row.ended ?? undefined,
    expiresAt: row.expires ?? undefined,
    delayedBy: state === DELAYED ? delayedBy(row.why) : undefined,
    cancelling: row.cancelling === 1,
    dedupeKey: row.dedupe ?? undefined,
    parent: row.parent ?? undefined,
    pendingChildren: row.pending,
    output: row.output ?? undefined,
    error: errorOf(row),
    progress: row.progress ?? undefined,
  }
}

/** The last failure of a row. */
export function errorOf({
  code,
  message,
  stack,
  fingerprint,
}: Pick<StoredTask, 'code' | 'message' | 'stack' | 'fingerprint'>): TaskError | undefined {
  if (code === null) return undefined
  return { code, message: message ?? '', stack: stack ?? undefined, fingerprint: fingerprint ?? '' }
}

function delayedBy(why: number): 'delay' | 'retry' | 'rate' {
  if (why === BY_RETRY) return 'retry'
  return why === BY_RATE ? 'rate' : 'delay'
}
