import { freshFlows, type NewTask, roomIn, TASK_STATES, withoutRoom } from '@millrace/core/driver'
import { BLOCKED, DELAYED, READY, WAITING } from '../../task-state.ts'
import type { WriterState } from '../writer-state.ts'
import { dedupeTask, holdDedupe, isDedupeHeld } from './dedupe.ts'
import { type KeyedTask, placeAtOnce } from './place-at-once.ts'
import { givePlaces } from './places.ts'
import type { KeyState } from './key-cache.ts'
import type { QueueState } from './queue-cache.ts'
import { type TaskBatch, taskAt } from './task-batch.ts'
import type { Touched } from './task-cache.ts'

/** What became of a batch: only what differs from being stored is named, by its place. */
export interface EnqueueReply {
  readonly odd: readonly OddOne[]
  readonly touched: Touched
}

/** A duplicate has the id of the holder, what has the id of another task name and body of that, what finds its queue full nothing. */
export type OddOne = readonly [index: number, id?: string, name?: string, body?: string]

const INSERT = `
  INSERT INTO tasks (n, id, state, queue, name, rank, head_start, added, due, body)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
const INSERT_WITH_REST = `
  INSERT INTO tasks (n, id, state, queue, name, rank, head_start, added, due, body, turn, children, pending, fail_fast, expires,
    key, tenant, dedupe, holds, parent, awaited, placed,
    place_in_flow)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?1) ON CONFLICT DO NOTHING`
const READY_OF_BATCH = `
  INSERT INTO task_ready (queue, suspect, name, rank, n, starts, since)
  SELECT queue, 0, name, rank, n, 0, added FROM tasks WHERE n >= ? AND n <= ? AND state = 3`
const INSERT_READY = `
  INSERT INTO task_ready (queue, suspect, name, rank, n, starts, since) VALUES (?, 0, ?, ?, ?, 0, ?)`

/** Adds tasks, all or nothing; `always` also to a full queue. */
export function enqueue(state: WriterState, batch: TaskBatch, always = false): EnqueueReply {
  const now = Math.floor(state.now())
  const hasRoom = always || batch.queues.every((name, at) => roomOf(state, name) >= sizeOf(batch, at))
  const isPlain = hasRoom && batch.rests.every((rest) => rest === undefined)
  const odd = isPlain ? addPlain(state, batch, now) : addAll(state, batch, { now, hasRoom })
  return { odd, touched: state.tasks.finish() }
}

/** How many more tasks a queue takes. */
function roomOf(state: WriterState, name: string): number {
  const queue = state.tasks.queues.get(name)
  if (queue?.settings.maxWaiting === undefined) return Infinity
  return roomIn(queue.settings, (each) => queue.counts[TASK_STATES.indexOf(each)] ?? 0)
}

/** How many tasks of a batch are of a queue; all, where there is only one. */
function sizeOf({ queues, queueOf }: TaskBatch, queue: number): number {
  return queues.length === 1 ? queueOf.length : queueOf.reduce((sum, each) => sum + (each === queue ? 1 : 0), 0)
}

/** Tasks that have nothing special: those that are due at once become ready together. */
function addPlain(state: WriterState, batch: TaskBatch, now: number): OddOne[] {
  const odd: OddOne[] = []
  const { queues, names } = state.tasks
  const queueOf = batch.queues.map((name) => queues.ensure(name))
  const nameOf = batch.names.map((name) => names.idOf(name))
  const insert = state.sql.prepared(INSERT)
  let first: number | undefined
  let last = 0
  for (const [index, id] of batch.ids.entries()) {
    if (index === 1) state.fault('mid-batch')
    const queue = queueOf[batch.queueOf[index] ?? 0]
    if (queue === undefined) continue
    const delayMs = batch.delays[index] ?? 0
    const headStart = batch.headStarts[index] ?? 0
    const initial = delayMs > 0 ? DELAYED : READY
    const due = now + delayMs
    last = queues.nextNumber()
    first ??= last
    const name = nameOf[batch.nameOf[index] ?? 0] ?? 0
    const body = batch.bodies[index] ?? ''
    const { changes } = insert.run(last, id, initial, queue.id, name, due - headStart, headStart, now, due, body)
    if (changes === 0) {
      odd.push(...oddOnes(state, index, { id, name: batch.names[batch.nameOf[index] ?? 0] ?? '', body }))
      continue
    }
    queue.counts[initial] = (queue.counts[initial] ?? 0) + 1
    state.tasks.touch(queue)
  }
  if (first !== undefined) state.sql.run(READY_OF_BATCH, first, last)
  return odd
}

/** A task whose id is there already: what is there stays as it is, and is told when it is not the same. */
function oddOnes(
  state: WriterState,
  index: number,
  { id, name, body }: { readonly id: string; readonly name: string; readonly body: string },
): OddOne[] {
  const there = state.sql.get<{ name: string; body: string }>(
    'SELECT m.name, t.body FROM tasks t JOIN task_names m ON m.id = t.name WHERE t.id = ?',
    id,
  )
  return there === undefined || (there.name === name && there.body === body)
    ? []
    : [[index, id, there.name, there.body]]
}

function addAll(
  state: WriterState,
  batch: TaskBatch,
  { now, hasRoom }: { readonly now: number; readonly hasRoom: boolean },
): OddOne[] {
  const odd: OddOne[] = []
  const tasks = batch.ids.map((_, index) => taskAt(batch, index))
  // One that is debounced may be due now and before those that are added: who comes first is known when all have come.
  const fresh = tasks.some(({ dedupe }) => dedupe?.mode === 'debounce') ? undefined : new Map<KeyState, KeyedTask[]>()
  const isThere = (id: string): boolean => state.sql.get('SELECT 1 FROM tasks WHERE id = ?', id) !== undefined
  const isNew = (task: NewTask): boolean => !isThere(task.id) && !isDedupeHeld(state, task, now)
  const refused = hasRoom ? undefined : withoutRoom(tasks, { isNew, roomOf: (name) => roomOf(state, name) })
  for (const [index, task] of freshFlows(tasks, isThere).entries()) {
    if (index === 1) state.fault('mid-batch')
    if (refused?.has(index) === true) {
      odd.push([index])
      continue
    }
    const queue = state.tasks.queues.ensure(task.queue)
    const holder = task.dedupe === undefined ? undefined : dedupeTask(state, queue, task, now)
    if (holder !== undefined) odd.push([index, holder])
    else if (!add(state, queue, task, { now, fresh })) odd.push(...oddOnes(state, index, task))
  }
  givePlaces(state, now)
  return odd
}

interface Adding {
  readonly now: number
  /** Tasks of this call that have got a place of their key when they were added; undefined where none does. */
  readonly fresh: Map<KeyState, KeyedTask[]> | undefined
}

/** Adds one task; false when it is there already. */
function add(state: WriterState, queue: QueueState, task: NewTask, call: Adding): boolean {
  const { now, fresh } = call
  const { id, headStartMs, delayMs, key, children, failFast, expiresInMs, tenant, dedupe, parent } = task
  const due = now + delayMs
  const n = state.tasks.queues.nextNumber()
  const name = state.tasks.names.idOf(task.name)
  const turn = turnOf(state, queue, task, now)
  const rank = Math.max(due, turn) - headStartMs
  const turnInKey = queue.settings.key.order ? n : rank
  const places = key === undefined || children > 0 || delayMs > 0 ? undefined : state.tasks.keys.get(queue.id, key)
  const placed =
    places !== undefined && fresh !== undefined && placeAtOnce(state, queue, places, { fresh, turn: turnInKey })
  const isReady = key === undefined || placed
  const initial = children > 0 ? BLOCKED : delayMs > 0 ? DELAYED : isReady ? READY : WAITING
  const added = state.sql.run(
    INSERT_WITH_REST,
    ...([n, id, initial, queue.id, name, rank, headStartMs, now, due, task.body] as const),
    turnInKey,
    children,
    failFast ? 1 : 0,
    expiresInMs === undefined ? null : now + expiresInMs,
    key ?? null,
    tenant ?? null,
    dedupe?.key ?? null,
    dedupe?.until ?? null,
    parent ?? null,
    parent === undefined ? 0 : 1,
    placed ? 1 : 0,
  )
  if (added === 0) return false
  if (turn !== -Infinity) keepTurn(state, queue, task, turn)
  queue.counts[initial] = (queue.counts[initial] ?? 0) + 1
  state.tasks.touch(queue)
  if (dedupe !== undefined) holdDedupe(state, { queue: queue.id, n, id, dedupe, now })
  if (initial === READY) state.sql.run(INSERT_READY, queue.id, name, rank, n, now)
  if (places === undefined) return true
  state.tasks.keys.touch(places)
  if (placed) {
    places.held += 1
    const before = fresh.get(places)
    if (before === undefined) fresh.set(places, [{ n, turn: turnInKey }])
    else before.push({ n, turn: turnInKey })
  } else places.waiting += 1
  return true
}

/** The turn of the tenant, in a queue where tenants take turns; without, no time is before it. */
function turnOf(state: WriterState, { id, settings }: QueueState, task: NewTask, now: number): number {
  if (settings.fairMs <= 0 || task.tenant === undefined) return -Infinity
  const row = state.sql.get<{ at: number }>(
    'SELECT at FROM task_tenants WHERE queue = ? AND tenant = ? AND head_start = ?',
    id,
    task.tenant,
    task.headStartMs,
  )
  return row === undefined ? now : Math.max(now, row.at + Math.ceil(settings.fairMs))
}

/** What is remembered is the turn, so that a delayed task holds up no other. */
function keepTurn(state: WriterState, { id }: QueueState, { tenant, headStartMs }: NewTask, turn: number): void {
  state.sql.run(
    'INSERT INTO task_tenants (queue, tenant, head_start, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET at = ?4',
    id,
    tenant ?? '',
    headStartMs,
    turn,
  )
}
