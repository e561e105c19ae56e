import { TASK_STATES, type TaskQuery, type TaskRow, type TaskState } from '@millrace/core/driver'
import type { Database, SqlValue } from '../database/database.ts'
import { encodeName } from '../name-codec.ts'
import { type StoredTask, TASK_COLUMNS, taskRowOf } from './task-rows.ts'

/** First those that have not ended, in the order of adding; then those that have, the newest end first. */
export async function listTasks(database: Database, query: TaskQuery): Promise<readonly TaskRow[]> {
  const states = query.states ?? TASK_STATES
  const after = query.after === undefined ? undefined : await placeOf(database, query.after)
  if (query.after !== undefined && after === undefined) return []
  const rows: StoredTask[] = []
  const ending = states.filter((state) => state in ENDS)
  const living = states.filter((state) => !(state in ENDS))
  if (living.length > 0 && after?.ended === undefined) {
    rows.push(...(await listLiving(database, query, living, after?.n ?? 0)))
  }
  const left = query.limit - rows.length
  if (left === 0 || ending.length === 0) return rows.map(taskRowOf)
  const ended = await listEnded(database, { ...query, limit: left }, ending, after)
  // The second look is later: what has ended between them is in both.
  const ids = new Set(ended.map(({ id }) => id))
  return [...rows.filter(({ id }) => !ids.has(id)), ...ended].map(taskRowOf)
}

/** Where a task stands in a list. */
interface Place {
  readonly n: number
  readonly ended: number | undefined
}

async function placeOf(database: Database, id: string): Promise<Place | undefined> {
  const row = await database.first<{ n: number; ended: number | null }>(
    'SELECT t.n, e.ended FROM $S.tasks t LEFT JOIN $S.task_ends e ON e.n = t.n WHERE t.id = $1',
    encodeName(id),
  )
  return row && { n: row.n, ended: row.ended ?? undefined }
}

/** Conditions with their values, numbered. */
interface Filter {
  readonly values: SqlValue[]
  add(value: SqlValue): string
}

function createFilter(): Filter {
  const values: SqlValue[] = []
  return { values, add: (value) => `$${values.push(value)}` }
}

/** The table of a state, and the queue of a row in it. */
const TABLES: Readonly<Partial<Record<TaskState, readonly [table: string, queue: string]>>> = {
  blocked: ['task_blocked', 's.queue'],
  delayed: ['task_delayed', 's.queue'],
  waiting: ['task_waiting', 's.queue'],
  ready: ['task_ready', ''],
  suspect: ['task_suspects', ''],
  running: ['task_running', ''],
}

const ENDS: Readonly<Partial<Record<TaskState, number>>> = { done: 1, dead: 2, cancelled: 3, expired: 4 }

async function listLiving(
  database: Database,
  query: TaskQuery,
  states: readonly TaskState[],
  after: number,
): Promise<StoredTask[]> {
  if (query.fingerprint !== undefined) return []
  const filter = createFilter()
  const [from, limit] = [filter.add(after), filter.add(query.limit)]
  const joined = joinedConditions(query, filter)
  if (query.since !== undefined) joined.push(`t.added >= ${filter.add(query.since)}`)
  if (query.until !== undefined) joined.push(`t.added < ${filter.add(query.until)}`)
  const queue = query.queue === undefined ? undefined : filter.add(encodeName(query.queue))
  const parts = states.map((state) => {
    const [table = '', own = ''] = TABLES[state] ?? []
    const conditions = [`s.n > ${from}`, ...joined]
    if (queue !== undefined) {
      const id = `(SELECT q.id FROM $S.task_queues q WHERE q.name = ${queue})`
      conditions.push(
        own === '' ? `s.lane IN (SELECT l.id FROM $S.task_lanes l WHERE l.queue = ${id})` : `${own} = ${id}`,
      )
    }
    const tasks = joined.length === 0 ? '' : 'JOIN $S.tasks t ON t.n = s.n JOIN $S.task_lanes l ON l.id = t.lane'
    return `(SELECT s.n FROM $S.${table} s ${tasks} WHERE ${conditions.join(' AND ')} ORDER BY s.n LIMIT ${limit})`
  })
  return database.rows<StoredTask>(
    `SELECT ${TASK_COLUMNS} FROM (SELECT u.n FROM (${parts.join(' UNION ALL ')}) u ORDER BY u.n LIMIT ${limit}) p
     JOIN $S.task_states t ON t.n = p.n ORDER BY t.n`,
    ...filter.values,
  )
}

async function listEnded(
  database: Database,
  query: TaskQuery,
  states: readonly TaskState[],
  after: Place | undefined,
): Promise<StoredTask[]> {
  const filter = createFilter()
  const joined = joinedConditions(query, filter)
  const conditions = [`s.state = ANY (${filter.add(states.map((state) => ENDS[state] ?? 0))}::smallint[])`, ...joined]
  if (states.every((state) => state === 'dead')) conditions.push('s.dead')
  if (query.queue !== undefined)
    conditions.push(
      `s.queue = (SELECT q.id FROM $S.task_queues q WHERE q.name = ${filter.add(encodeName(query.queue))})`,
    )
  if (query.fingerprint !== undefined) conditions.push(`s.fingerprint = ${filter.add(encodeName(query.fingerprint))}`)
  if (query.since !== undefined) conditions.push(`s.ended >= ${filter.add(query.since)}`)
  if (query.until !== undefined) conditions.push(`s.ended < ${filter.add(query.until)}`)
  if (after?.ended !== undefined)
    conditions.push(`(s.ended, s.n) < (${filter.add(after.ended)}::bigint, ${filter.add(after.n)}::bigint)`)
  const tasks = joined.length === 0 ? '' : 'JOIN $S.tasks t ON t.n = s.n JOIN $S.task_lanes l ON l.id = t.lane'
  return database.rows<StoredTask>(
    `SELECT ${TASK_COLUMNS} FROM (
       SELECT s.n FROM $S.task_ends s ${tasks} WHERE ${conditions.join(' AND ')} ORDER BY s.ended DESC, s.n DESC LIMIT ${filter.add(query.limit)}) p
     JOIN $S.task_states t ON t.n = p.n ORDER BY t.ended DESC, t.n DESC`,
    ...filter.values,
  )
}

/** Conditions on what only the row of the task itself has. */
function joinedConditions({ name, key, tenant, parent }: TaskQuery, filter: Filter): string[] {
  const conditions: string[] = []
  if (name !== undefined) conditions.push(`l.name = ${filter.add(encodeName(name))}`)
  if (key !== undefined) conditions.push(`t.key = ${filter.add(encodeName(key))}`)
  if (tenant !== undefined) conditions.push(`t.tenant = ${filter.add(encodeName(tenant))}`)
  if (parent !== undefined)
    conditions.push(`t.parent = (SELECT p.n FROM $S.tasks p WHERE p.id = ${filter.add(encodeName(parent))})`)
  return conditions
}
