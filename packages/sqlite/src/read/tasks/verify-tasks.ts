import type { Statements } from '../../file/statements.ts'
import { RUNNING, stateName } from '../../task-state.ts'
import { countsFrom } from '../../write/tasks/queue-cache.ts'

const ACTUAL_COUNTS = `
  SELECT t.queue, iif(r.n IS NULL, t.state, ${RUNNING}) AS state, count(*) AS count
  FROM tasks t LEFT JOIN task_running r ON r.n = t.n GROUP BY 1, 2`

/** What must find nothing: each pair of tables says the same. */
const CONTRADICTIONS: readonly (readonly [what: string, sql: string])[] = [
  [
    'ready tasks that cannot be claimed',
    `SELECT count(*) FROM tasks t WHERE t.state IN (3, 4) AND t.n NOT IN (SELECT n FROM task_running)
       AND NOT EXISTS (SELECT 1 FROM task_ready r WHERE r.queue = t.queue AND r.suspect = t.state - 3
         AND r.name = t.name AND r.rank = t.rank AND r.n = t.n)`,
  ],
  [
    'claimable entries without a ready task',
    `SELECT count(*) FROM task_ready r WHERE NOT EXISTS (
       SELECT 1 FROM tasks t WHERE t.n = r.n AND t.state = 3 + r.suspect AND t.n NOT IN (SELECT n FROM task_running))`,
  ],
  [
    'claims without a task that can run',
    `SELECT count(*) FROM task_running r WHERE NOT EXISTS (
       SELECT 1 FROM tasks t WHERE t.n = r.n AND t.ended IS NULL AND t.state IN (3, 4))`,
  ],
  [
    'workers whose claims are counted wrong',
    `SELECT count(*) FROM task_workers w WHERE w.held <> (SELECT count(*) FROM task_running r WHERE r.worker = w.id)`,
  ],
  [
    'claims of workers that nobody knows',
    'SELECT count(*) FROM task_running WHERE worker NOT IN (SELECT id FROM task_workers)',
  ],
  [
    'keys whose places are counted wrong',
    `WITH actual AS (
       SELECT queue, key, sum(placed) AS held, sum(state = 2) AS waiting FROM tasks
       WHERE key IS NOT NULL AND ended IS NULL GROUP BY queue, key)
     SELECT count(*) FROM (
       SELECT ifnull(k.held, 0) AS h, ifnull(k.waiting, 0) AS w, ifnull(a.held, 0) AS ah, ifnull(a.waiting, 0) AS aw
       FROM task_keys k FULL JOIN actual a ON a.queue = k.queue AND a.key = k.key) WHERE h <> ah OR w <> aw`,
  ],
  [
    'parents whose children are counted wrong',
    `SELECT count(*) FROM tasks p WHERE p.children > 0
       AND p.pending <> (SELECT count(*) FROM tasks c WHERE c.parent = p.id AND c.ended IS NULL)`,
  ],
]

/** What contradicts itself among the tasks of the file; reads all of them. */
export function taskContradictions(sql: Statements): string[] {
  const found: string[] = []
  for (const [what, text] of CONTRADICTIONS) {
    const count = Number(sql.arrays<[number]>(text)[0]?.[0] ?? 0)
    if (count > 0) found.push(`${count} ${what}`)
  }
  const actual = new Map<string, number>()
  for (const [queue, state, count] of sql.arrays<[number, number, number]>(ACTUAL_COUNTS)) {
    actual.set(`${queue} ${state}`, count)
  }
  for (const [id, name, stored] of sql.arrays<[number, string, string]>('SELECT id, name, counts FROM task_queues')) {
    for (const [state, count] of countsFrom(stored).entries()) {
      const real = actual.get(`${id} ${state}`) ?? 0
      if (real !== count) found.push(`${count} instead of ${real} tasks ${stateName(state)} in the queue ${name}`)
    }
  }
  return found
}
