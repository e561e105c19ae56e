import { TASK_STATES, type TaskQuery, type TaskRow } from '@millrace/core/driver'
import { SELECT_TASK, type StoredTask, taskOf } from '../../task-row.ts'
import { hasEnded, RUNNING, stateNumber } from '../../task-state.ts'
import { countsFrom } from '../../write/tasks/queue-cache.ts'
import type { ReaderState } from '../reader-state.ts'
import { numbersInStates } from './open-numbers.ts'

/** Rows that a search looks at before it lets others pass. */
const SLICE = 5_000
/** Up to so many tasks of the states wanted are found through them, and not by a walk over all. */
const MOST_GATHERED = 10_000

interface Filter {
  readonly conditions: readonly string[]
  readonly values: readonly (string | number)[]
  readonly queues: readonly { readonly id: number; readonly counts: readonly number[] }[]
  readonly states: readonly number[]
}

interface After {
  readonly n: number
  readonly endOrder: number | null
}

/** What has not ended in the order of adding, then what has ended, the newest end first. */
export function* listTasks(state: ReaderState, query: TaskQuery): Generator<void, readonly TaskRow[]> {
  const { sql } = state
  const filter = filterOf(state, query)
  const after =
    query.after === undefined
      ? undefined
      : sql.get<After>('SELECT n, end_order AS endOrder FROM tasks WHERE id = ?', query.after)
  if (filter === undefined || (query.after !== undefined && after === undefined)) return []
  const found: StoredTask[] = []
  if (after === undefined || after.endOrder === null)
    yield* findOpen(state, { query, filter, from: after?.n ?? 0, found })
  if (found.length < query.limit) yield* findEnded(state, { query, filter, after, found })
  return found.map(taskOf)
}

interface Search {
  readonly query: TaskQuery
  readonly filter: Filter
  readonly found: StoredTask[]
}

function* findOpen(
  state: ReaderState,
  { query, filter, from, found }: Search & { readonly from: number },
): Generator<void> {
  const states = filter.states.filter((each) => !hasEnded(each))
  if (states.length === 0) return
  const { sql } = state
  const conditions = [
    't.ended IS NULL',
    `iif(r.n IS NULL, t.state, ${RUNNING}) IN (${states.join()})`,
    ...filter.conditions,
    ...timeBounds(query, 't.added'),
  ].join(' AND ')
  const select = (where: string, ...bounds: readonly (string | number)[]): StoredTask[] =>
    sql.all(
      `${SELECT_TASK} WHERE ${where} AND ${conditions} ORDER BY t.n LIMIT ?`,
      ...bounds,
      ...filter.values,
      query.limit - found.length,
    )
  if (query.parent !== undefined) {
    found.push(...select('t.n > ?', from))
    return
  }
  const total = filter.queues.reduce(
    (sum, { counts }) => sum + states.reduce((part, each) => part + (counts[each] ?? 0), 0),
    0,
  )
  if (total === 0) return
  if (total <= MOST_GATHERED) {
    const numbers = numbersInStates(sql, filter.queues, states).filter((n) => n > from)
    for (let at = 0; at < numbers.length && found.length < query.limit; at += 500) {
      const some = JSON.stringify(numbers.slice(at, at + 500))
      found.push(...select('t.n IN (SELECT value FROM json_each(?))', some))
      yield
    }
    return
  }
  let next = from
  while (found.length < query.limit) {
    const first = sql.get<{ n: number | null }>('SELECT min(n) AS n FROM tasks WHERE n > ?', next)?.n ?? undefined
    if (first === undefined) return
    found.push(...select('t.n >= ? AND t.n < ?', first, first + SLICE))
    next = first + SLICE - 1
    yield
  }
}

function* findEnded(
  state: ReaderState,
  { query, filter, after, found }: Search & { readonly after: After | undefined },
): Generator<void> {
  const conditions = [...filter.conditions, ...timeBounds(query, 't.ended')].map((each) => ` AND ${each}`).join('')
  const candidates: StoredTask[] = []
  const wanted = query.limit - found.length
  const before = after?.endOrder ?? Number.MAX_SAFE_INTEGER
  for (const { id, counts } of filter.queues) {
    for (const each of filter.states) {
      if (!hasEnded(each) || counts[each] === 0) continue
      const rows = state.sql.all<StoredTask>(
        `${SELECT_TASK} WHERE t.queue = ${id} AND t.state = ${each} AND t.ended IS NOT NULL
           AND t.end_order < ?${conditions} ORDER BY t.end_order DESC LIMIT ?`,
        before,
        ...filter.values,
        wanted,
      )
      candidates.push(...rows)
      yield
    }
  }
  candidates.sort((one, other) => (other.endOrder ?? 0) - (one.endOrder ?? 0))
  found.push(...candidates.slice(0, wanted))
}

/** Undefined when nothing can be found: a queue or name that nobody knows. */
function filterOf({ sql }: ReaderState, query: TaskQuery): Filter | undefined {
  const rows = sql.all<{ id: number; name: string; counts: string }>('SELECT id, name, counts FROM task_queues')
  const queues = rows.filter(({ name }) => query.queue === undefined || name === query.queue)
  const conditions: string[] = []
  const values: (string | number)[] = []
  if (query.queue !== undefined) conditions.push(`t.queue = ${queues[0]?.id ?? 0}`)
  if (query.name !== undefined) {
    const name = sql.get<{ id: number }>('SELECT id FROM task_names WHERE name = ?', query.name)
    if (name === undefined) return undefined
    conditions.push(`t.name = ${name.id}`)
  }
  for (const column of ['key', 'tenant', 'parent', 'fingerprint'] as const) {
    const value = query[column]
    if (value === undefined) continue
    conditions.push(`t.${column} = ?`)
    values.push(value)
  }
  return {
    conditions,
    values,
    queues: queues.map(({ id, counts }) => ({ id, counts: countsFrom(counts) })),
    states: (query.states ?? TASK_STATES).map(stateNumber),
  }
}

function timeBounds({ since, until }: TaskQuery, column: string): string[] {
  return [
    ...(since === undefined ? [] : [`${column} >= ${Number(since)}`]),
    ...(until === undefined ? [] : [`${column} < ${Number(until)}`]),
  ]
}
