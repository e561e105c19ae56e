import { type DeadTaskCount, type QueueStatus, roomIn, TASK_STATES, type TaskState } from '@millrace/core/driver'
import { countsFrom, settingsFrom } from '../../write/tasks/queue-cache.ts'
import { timeOfTokens } from '../../write/tasks/rate.ts'
import type { ReaderState } from '../reader-state.ts'

/** Ready tasks of a name that are looked at for the longest wait: the first by rank. */
const MOST_LOOKED_AT = 10_000

interface Row {
  readonly id: number
  readonly name: string
  readonly version: number
  readonly settings: string | null
  readonly note: string
  readonly counts: string
  readonly rate: number
}

/** What operators see of the queues, by name. */
export function queueStatus({ sql, now }: ReaderState): readonly QueueStatus[] {
  const rows = sql.all<Row>(
    'SELECT id, name, version, settings, note, counts, rate_at AS rate FROM task_queues ORDER BY name',
  )
  return rows.map(({ id, name, version, settings: kept, note, counts: stored, rate: fullAt }) => {
    const counts = countsFrom(stored)
    const settings = settingsFrom(kept)
    const { rate } = settings
    const ready = sql
      .arrays<[name: string, since: number | null]>(
        `SELECT m.name, (SELECT min(since) FROM (
           SELECT since FROM task_ready WHERE queue = ?1 AND suspect = s.suspect AND name = m.id ORDER BY rank, n LIMIT ${MOST_LOOKED_AT}))
         FROM task_names m, (SELECT 0 AS suspect UNION ALL SELECT 1) s
         WHERE EXISTS (SELECT 1 FROM task_ready WHERE queue = ?1 AND suspect = s.suspect AND name = m.id)`,
        id,
      )
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
    const oldest = Math.min(...ready.map(([, since]) => since ?? Infinity))
    return {
      name,
      version,
      settings,
      note,
      counts: Object.fromEntries(TASK_STATES.map((state, place) => [state, counts[place] ?? 0])) as Record<
        TaskState,
        number
      >,
      exact: true,
      oldestReadyMs: oldest === Infinity ? undefined : Math.max(0, Math.floor(now()) - oldest),
      nextTokenMs: rate && Math.max(0, Math.ceil(timeOfTokens(rate, fullAt, 1) - now())),
      readyNames: [...new Set(ready.map(([each]) => each))],
    }
  })
}

/** Those of the queues that take no more tasks. */
export function fullQueues(
  { sql }: ReaderState,
  { queues }: { readonly queues: readonly string[] },
): readonly string[] {
  return queues.filter((name) => {
    const row = sql.get<Pick<Row, 'settings' | 'counts'>>(
      'SELECT settings, counts FROM task_queues WHERE name = ?',
      name,
    )
    if (row === undefined) return false
    const counts = countsFrom(row.counts)
    return roomIn(settingsFrom(row.settings), (state) => counts[TASK_STATES.indexOf(state)] ?? 0) === 0
  })
}

/** Dead tasks by queue and fingerprint, each with its newest failure. */
export function deadTaskCounts(
  { sql }: ReaderState,
  { queue }: { readonly queue: string | undefined },
): readonly DeadTaskCount[] {
  const only = queue === undefined ? '' : 'AND queue = (SELECT id FROM task_queues WHERE name = ?)'
  const counts = sql.all<DeadTaskCount>(
    `WITH c AS (
       SELECT queue, fingerprint, count(*) AS count, max(end_order) AS last FROM tasks WHERE state = 7 ${only}
       GROUP BY queue, fingerprint)
     SELECT q.name AS queue, ifnull(c.fingerprint, '') AS fingerprint, ifnull(t.code, '') AS code,
       ifnull(t.message, '') AS message, c.count, t.ended AS lastFailedAt
     FROM c JOIN task_queues q ON q.id = c.queue
       JOIN tasks t ON t.state = 7 AND t.queue = c.queue AND t.fingerprint IS c.fingerprint AND t.end_order = c.last
     ORDER BY q.name, c.count DESC, c.fingerprint`,
    ...(queue === undefined ? [] : [queue]),
  )
  return counts.map((count) => ({ ...count }))
}

/** How many ready or waiting tasks of its queue come before a task; undefined when it is neither. */
export function tasksAhead(
  { sql }: ReaderState,
  { id, limit }: { readonly id: string; readonly limit: number },
): number | undefined {
  const task = sql.get<{ n: number; queue: number; rank: number }>(
    `SELECT t.n, t.queue, t.rank FROM tasks t
     WHERE t.id = ? AND t.state IN (2, 3) AND NOT EXISTS (SELECT 1 FROM task_running r WHERE r.n = t.n)`,
    id,
  )
  if (task === undefined) return undefined
  const row = sql.get<{ ahead: number }>(
    `SELECT count(*) AS ahead FROM (
       SELECT 1 FROM task_names m JOIN task_ready r ON r.queue = ?1 AND r.suspect = 0 AND r.name = m.id AND (r.rank, r.n) < (?2, ?3)
       UNION ALL SELECT 1 FROM tasks WHERE queue = ?1 AND state = 2 AND (rank, n) < (?2, ?3) LIMIT ?4)`,
    task.queue,
    task.rank,
    task.n,
    limit,
  )
  return row?.ahead ?? 0
}
