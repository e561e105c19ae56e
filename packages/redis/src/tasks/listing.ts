import { TASK_STATES, type TaskQuery, type TaskRow, type TaskState } from '@millrace/core/driver'
import { CHILD_IDS, ENDED_TASKS, GET_TASKS, OPEN_TASKS, QUEUE_NAMES } from '../scripts/tasks-reading.ts'
import type { TaskCalls } from './task-calls.ts'
import { decodeRows } from './task-rows.ts'
import { encodeName } from './task-text.ts'

/** Of each index of tasks that have not ended so many are looked at; beyond them they are not listed. */
const MOST_OPEN = 5_000
const PAGE = 100

/**
 * Tasks: those that have not ended in the order of their adding, then the others, newest end first. Only these have an index by their
 * time; of the others the first of each index are sorted.
 */
export async function listTasks(calls: TaskCalls, query: TaskQuery): Promise<readonly TaskRow[]> {
  const after = query.after === undefined ? undefined : (await rowsOf(calls, [encodeName(query.after)]))[0]
  // The order says nothing of where one was that is gone.
  if (query.after !== undefined && after === undefined) return []
  const found: TaskRow[] = []
  for await (const row of query.parent === undefined
    ? allRows(calls, query, after)
    : childRows(calls, query.parent, after)) {
    if (found.length >= query.limit) break
    if (matches(row, query)) found.push(row)
  }
  return found
}

async function* allRows(calls: TaskCalls, query: TaskQuery, after: TaskRow | undefined): AsyncGenerator<TaskRow> {
  const queues =
    query.queue === undefined ? ((await calls.read(QUEUE_NAMES, [])) as readonly string[]) : [encodeName(query.queue)]
  const states = query.states ?? TASK_STATES
  const open = states.filter((state) => !hasEnded(state))
  if (open.length > 0 && (after === undefined || !hasEnded(after.state))) {
    // By its number, for it may have gone on to a state that is not asked for.
    yield* pages(calls, await openIds(calls, { queues, states: open, after: await numberOf(calls, after) }))
  }
  const ended = states.filter(hasEnded)
  const last = after !== undefined && hasEnded(after.state) ? after : undefined
  const sources = queues.flatMap((queue) =>
    ended.flatMap((state) => ['ended', 'pinned'].map((kind) => endedIds(calls, { kind, state, queue, last }))),
  )
  yield* inOrder(calls, sources)
}

/** The number of the adding; 0 for none. */
async function numberOf(calls: TaskCalls, task: TaskRow | undefined): Promise<number> {
  if (task === undefined) return 0
  const [, lines = ''] = (await calls.read(GET_TASKS, [encodeName(task.id)])) as readonly (string | undefined)[]
  return Number(lines.split('\n', 3)[2])
}

async function openIds(
  calls: TaskCalls,
  {
    queues,
    states,
    after,
  }: { readonly queues: readonly string[]; readonly states: readonly TaskState[]; readonly after: number },
): Promise<string[]> {
  const codes = states.map((state) => String(TASK_STATES.indexOf(state)))
  const numbers = new Map<string, number>()
  for (const queue of queues) {
    const reply = (await calls.read(OPEN_TASKS, [queue, String(MOST_OPEN), ...codes])) as readonly string[]
    for (let at = 0; at + 1 < reply.length; at += 2) numbers.set(reply[at + 1] ?? '', Number(reply[at]))
  }
  const left = [...numbers].filter(([, number]) => number > after)
  return left.toSorted(([, one], [, other]) => one - other).map(([id]) => id)
}

interface Ended {
  readonly id: string
  /** In microseconds. */
  readonly endedAt: number
}

interface EndedSource {
  readonly kind: string
  readonly state: TaskState
  readonly queue: string
  /** The last one that was seen. */
  readonly last: TaskRow | undefined
}

/** Of one index, newest first. */
async function* endedIds(calls: TaskCalls, { kind, state, queue, last }: EndedSource): AsyncGenerator<Ended> {
  const seen = last === undefined ? undefined : endOf(last)
  const latest = seen === undefined ? '+inf' : String(seen.endedAt)
  for (let skip = 0; ; skip += PAGE) {
    const args = [kind, state, queue, latest, String(skip), String(PAGE)]
    const reply = (await calls.read(ENDED_TASKS, args)) as readonly string[]
    for (let at = 0; at + 1 < reply.length; at += 2) {
      const ended = { id: reply[at] ?? '', endedAt: Number(reply[at + 1]) }
      if (seen === undefined || isNewer(seen, ended)) yield ended
    }
    if (reply.length < 2 * PAGE) return
  }
}

/** The rows of what several sources give, each in its order, in the order of all. */
async function* inOrder(calls: TaskCalls, sources: readonly AsyncGenerator<Ended>[]): AsyncGenerator<TaskRow> {
  const heads = await Promise.all(sources.map(async (source) => ({ source, head: await source.next() })))
  let ids: string[] = []
  for (;;) {
    let first: (typeof heads)[number] | undefined
    for (const each of heads) {
      if (each.head.done) continue
      if (first === undefined || first.head.done || isNewer(each.head.value, first.head.value)) first = each
    }
    if (first === undefined || first.head.done) break
    ids.push(first.head.value.id)
    first.head = await first.source.next()
    if (ids.length < PAGE) continue
    yield* await rowsOf(calls, ids)
    ids = []
  }
  yield* await rowsOf(calls, ids)
}

function isNewer(one: Ended, other: Ended): boolean {
  return one.endedAt > other.endedAt || (one.endedAt === other.endedAt && one.id > other.id)
}

async function* childRows(calls: TaskCalls, parent: string, after: TaskRow | undefined): AsyncGenerator<TaskRow> {
  const ids = (await calls.read(CHILD_IDS, [encodeName(parent)])) as readonly string[]
  const rows: TaskRow[] = []
  for await (const row of pages(calls, ids)) rows.push(row)
  // Children are kept in the order of their adding.
  const open = rows.filter(({ state }) => !hasEnded(state))
  const ended = rows.filter(({ state }) => hasEnded(state))
  const sorted = ended.toSorted((one, other) => (isNewer(endOf(one), endOf(other)) ? -1 : 1))
  const all = [...open, ...sorted]
  yield* all.slice(after === undefined ? 0 : all.findIndex(({ id }) => id === after.id) + 1)
}

function endOf({ id, endedAt = 0 }: TaskRow): Ended {
  return { id: encodeName(id), endedAt: Math.round(endedAt * 1_000) }
}

async function* pages(calls: TaskCalls, ids: readonly string[]): AsyncGenerator<TaskRow> {
  for (let at = 0; at < ids.length; at += PAGE) yield* await rowsOf(calls, ids.slice(at, at + PAGE))
}

async function rowsOf(calls: TaskCalls, ids: readonly string[]): Promise<readonly TaskRow[]> {
  if (ids.length === 0) return []
  return decodeRows((await calls.read(GET_TASKS, ids)) as readonly string[])
}

function hasEnded(state: TaskState): boolean {
  return state === 'done' || state === 'dead' || state === 'cancelled' || state === 'expired'
}

function matches(row: TaskRow, query: TaskQuery): boolean {
  const at = row.endedAt ?? row.addedAt
  return (
    (query.queue === undefined || row.queue === query.queue) &&
    (query.name === undefined || row.name === query.name) &&
    (query.states === undefined || query.states.includes(row.state)) &&
    (query.key === undefined || row.key === query.key) &&
    (query.tenant === undefined || row.tenant === query.tenant) &&
    (query.parent === undefined || row.parent === query.parent) &&
    (query.fingerprint === undefined || row.error?.fingerprint === query.fingerprint) &&
    (query.since === undefined || at >= query.since) &&
    (query.until === undefined || at < query.until)
  )
}
