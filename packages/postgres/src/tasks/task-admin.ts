import type { DeadTaskCount, TaskAdmin, TaskChange } from '@millrace/core/driver'
import type { Database } from '../database/database.ts'
import type { Connection } from '../driver/connection.ts'
import { decodeName, encodeName } from '../name-codec.ts'
import { putQueue, queueStatuses, removeQueue } from './queue-settings.ts'
import { decodeError } from './task-error.ts'
import { noticeOf } from './task-hub.ts'
import { listTasks } from './task-list.ts'

/** Rows that one sweep takes of each kind. */
const SWEEP_MOST = 2_000

/** The operators' view of the tasks of one schema. */
export function createTaskAdmin(current: () => Connection): TaskAdmin {
  const database = (): Database => current().database
  return {
    list: async (query) => listTasks(database(), query),
    change: async (ids, change) => changeTasks(current(), ids, change),
    ahead: async (id, limit) => tasksAhead(database(), id, limit),
    deadCounts: async (query) => countDead(database(), query?.queue),
    async logs(id) {
      const rows = await database().rows<{ line: string }>(
        'SELECT l.line FROM $S.tasks t JOIN $S.task_logs l ON l.n = t.n WHERE t.id = $1 ORDER BY l.line_number',
        encodeName(id),
      )
      return rows.map(({ line }) => decodeName(line))
    },
    queues: async () => queueStatuses(database()),
    async putQueue(queue) {
      const stored = await putQueue(current(), queue)
      if (stored !== undefined) current().notices.published(noticeOf(queue.name))
      return stored
    },
    removeQueue: async (name) => removeQueue(current(), name),
    async sweep() {
      const row = await database().first<{ removed: number; expired: number; more: boolean }>(
        'SELECT * FROM $S.sweep_tasks_1($1)',
        SWEEP_MOST,
      )
      return row ?? { removed: 0, expired: 0, more: false }
    },
  }
}

async function changeTasks(
  { database, notices }: Connection,
  ids: readonly string[],
  change: TaskChange,
): Promise<readonly string[]> {
  if (ids.length === 0) return []
  const row = await database.first<{ changed: readonly string[]; queues: readonly string[] }>(
    `WITH named AS MATERIALIZED (
       SELECT DISTINCT q.name FROM $S.tasks t JOIN $S.task_queues q ON q.id = t.queue WHERE t.id = ANY ($1::text[]))
     SELECT to_json($S.change_tasks_1($1, $2, $3, $4)) AS changed, (SELECT coalesce(json_agg(n.name), '[]') FROM named n) AS queues`,
    ids.map(encodeName),
    change.action,
    change.action === 'run' && change.body !== undefined ? encodeName(change.body) : null,
    numberOf(change),
  )
  for (const queue of row?.queues ?? []) notices.published(noticeOf(decodeName(queue)))
  const changed = new Set(row?.changed.map(decodeName))
  return [...new Set(ids)].filter((id) => changed.has(id))
}

function numberOf(change: TaskChange): number | null {
  if (change.action === 'prioritise') return Math.round(change.headStartMs)
  return change.action === 'postpone' ? Math.max(0, Math.ceil(change.delayMs)) : null
}

async function tasksAhead(database: Database, id: string, limit: number): Promise<number | undefined> {
  const row = await database.first<{ ahead: number }>(
    `SELECT (SELECT count(*)::integer FROM (
         SELECT 1 FROM $S.task_lanes l JOIN $S.task_ready r ON r.lane = l.id AND (r.rank, r.n) < (t.rank, t.n) WHERE l.queue = t.queue
         UNION ALL
         SELECT 1 FROM $S.task_waiting w WHERE w.queue = t.queue AND (w.rank, w.n) < (t.rank, t.n)
         LIMIT $2) a) AS ahead
     FROM $S.task_states t WHERE t.id = $1 AND t.state IN ('ready', 'waiting')`,
    encodeName(id),
    limit,
  )
  return row?.ahead
}

async function countDead(database: Database, queue: string | undefined): Promise<readonly DeadTaskCount[]> {
  const rows = await database.rows<{
    queue: string
    fingerprint: string | null
    error: string | null
    count: number
    last: number
  }>(
    `SELECT q.name AS queue, c.fingerprint, c.count, c.last,
       (SELECT coalesce(e.error, t.error) FROM $S.task_ends e JOIN $S.tasks t ON t.n = e.n WHERE e.n = c.newest) AS error
     FROM (SELECT e.queue, e.fingerprint, count(*)::integer AS count, max(e.ended) AS last, (array_agg(e.n ORDER BY e.ended DESC, e.n DESC))[1] AS newest
       FROM $S.task_ends e WHERE e.dead GROUP BY 1, 2) c
     JOIN $S.task_queues q ON q.id = c.queue WHERE $1::text IS NULL OR q.name = $1 ORDER BY q.name, c.count DESC, c.fingerprint`,
    queue === undefined ? null : encodeName(queue),
  )
  return rows.map((row) => {
    const { code = '', message = '' } = decodeError(row.error) ?? {}
    return {
      queue: decodeName(row.queue),
      fingerprint: decodeName(row.fingerprint ?? ''),
      code,
      message,
      count: row.count,
      lastFailedAt: row.last,
    }
  })
}
