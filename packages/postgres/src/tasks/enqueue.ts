import { addingUnknown, ENQUEUE_PATIENCE_MS, type EnqueueOutcome, type NewTask } from '@millrace/core/driver'
import { quoted } from '../database/client.ts'
import { isOutcomeUnknown } from '../database/postgres-error.ts'
import type { Connection } from '../driver/connection.ts'
import { decodeName, encodeName } from '../name-codec.ts'
import type { RunInTransaction } from '../outbox/transaction-handle.ts'
import { noticeOf } from './task-hub.ts'

/** Stores tasks in one statement. */
export async function enqueueTasks(
  connection: Connection,
  tasks: readonly NewTask[],
): Promise<readonly EnqueueOutcome[]> {
  if (tasks.length === 0) return []
  const text = 'SELECT $S.enqueue_1($1, $2, $3, $4, $5, $6, $7, $8, false) AS reply'
  const adding = connection.database.firstWithin<{ reply: OddOnes }>(
    ENQUEUE_PATIENCE_MS,
    text,
    ...enqueueColumns(tasks),
  )
  const row = await adding.catch((error: unknown) => Promise.reject(addingError(error)))
  tellOfTasks(connection, tasks)
  return outcomesOf(tasks, row?.reply ?? null)
}

/** The error of an adding, which says so when its outcome is not known. */
function addingError(error: unknown): unknown {
  return isOutcomeUnknown(error) ? addingUnknown(error) : error
}

/** Tells other processes that something came. */
export function tellOfTasks({ notices }: Connection, tasks: readonly NewTask[]): void {
  for (const queue of new Set(tasks.map((task) => task.queue))) notices.published(noticeOf(queue))
}

/** The same inside a transaction of the caller's. */
export async function appendTasks(
  run: RunInTransaction,
  schema: string,
  tasks: readonly NewTask[],
): Promise<readonly EnqueueOutcome[]> {
  if (tasks.length === 0) return []
  const values = enqueueColumns(tasks)
  const text = `SELECT ${quoted(schema)}.append_tasks_1($1) AS reply`
  const answer = await run(text, [JSON.stringify(values)])
  return outcomesOf(tasks, replyIn(answer))
}

/** Places, from 1, of those that were not added: with the id of the holder, with name and body of what has the id, or alone where the queue is full. */
type OddOnes = readonly (readonly [place: number, id?: string, name?: string, body?: string])[] | null

function outcomesOf(tasks: readonly NewTask[], odd: OddOnes): readonly EnqueueOutcome[] {
  const outcomes = tasks.map(({ id }): EnqueueOutcome => ({ outcome: 'stored', id }))
  for (const [place, id, name, body = ''] of odd ?? []) {
    if (id === undefined) outcomes[place - 1] = { outcome: 'full', id: tasks[place - 1]?.id ?? '' }
    else if (name === undefined) outcomes[place - 1] = { outcome: 'duplicate', id: decodeName(id) }
    else outcomes[place - 1] = { outcome: 'taken', id: decodeName(id), name: decodeName(name), body: decodeName(body) }
  }
  return outcomes
}

/** The first column of the first row, as each library gives it. */
function replyIn(answer: unknown): OddOnes {
  const rows: unknown = Array.isArray(answer) ? answer : (answer as { readonly rows?: unknown } | undefined)?.rows
  const reply: unknown = Array.isArray(rows) ? (rows[0] as { readonly reply?: unknown } | undefined)?.reply : undefined
  return (typeof reply === 'string' ? JSON.parse(reply) : (reply ?? null)) as OddOnes
}

/** What only some tasks have; `o` is the place in the batch, from 1. */
interface Extras {
  o: number
  key?: string
  tenant?: string
  expires?: number
  dedupe?: string
  mode?: string
  until?: string
  win?: number
  parent?: string
  children?: number
  ff?: boolean
}

const SEPARATOR = '\x1f'

/** The batch as columns; those in which all are alike are left out. */
export function enqueueColumns(tasks: readonly NewTask[]): (string | null)[] {
  const queues: string[] = []
  const names: string[] = []
  const pairs: number[] = []
  const places = new Map<string, number>()
  const ids: string[] = []
  const bodies: string[] = []
  const heads: number[] = []
  const delays: number[] = []
  const extras: Extras[] = []
  let headed = false
  let delayed = false
  for (const task of tasks) {
    const pair = `${task.queue}${SEPARATOR}${task.name}`
    let place = places.get(pair)
    if (place === undefined) {
      place = queues.push(encodeName(task.queue))
      names.push(encodeName(task.name))
      places.set(pair, place)
    }
    pairs.push(place)
    ids.push(encodeName(task.id))
    bodies.push(encodeName(task.body))
    headed ||= task.headStartMs !== 0
    delayed ||= task.delayMs > 0
    heads.push(Math.round(task.headStartMs))
    delays.push(Math.max(0, Math.ceil(task.delayMs)))
    const extra = extrasOf(task, pairs.length)
    if (extra !== undefined) extras.push(extra)
  }
  return [
    queues.join(SEPARATOR),
    names.join(SEPARATOR),
    queues.length > 1 ? `{${pairs.join(',')}}` : null,
    ids.join(SEPARATOR),
    bodies.join(SEPARATOR),
    headed ? `{${heads.join(',')}}` : null,
    delayed ? `{${delays.join(',')}}` : null,
    extras.length > 0 ? JSON.stringify(extras) : null,
  ]
}

function extrasOf(task: NewTask, o: number): Extras | undefined {
  const { key, tenant, expiresInMs, dedupe, parent, children } = task
  if (
    key === undefined &&
    tenant === undefined &&
    expiresInMs === undefined &&
    dedupe === undefined &&
    parent === undefined &&
    children === 0
  ) {
    return undefined
  }
  return {
    o,
    ...(key !== undefined && { key: encodeName(key) }),
    ...(tenant !== undefined && { tenant: encodeName(tenant) }),
    ...(expiresInMs !== undefined && { expires: Math.ceil(expiresInMs) }),
    ...(dedupe !== undefined && {
      dedupe: encodeName(dedupe.key),
      mode: dedupe.mode,
      until: dedupe.until,
      win: Math.ceil(dedupe.windowMs ?? 0),
    }),
    ...(parent !== undefined && { parent: encodeName(parent) }),
    ...(children > 0 && { children, ff: task.failFast }),
  }
}
