import { freshFlows } from '../../driver/fresh-flows.ts'
import { roomIn, withoutRoom } from '../../driver/room.ts'
import type { EnqueueOutcome } from '../../driver/task-store.ts'
import type { NewTask } from '../../driver/task.ts'
import { holdDedupe, renewHolder } from './dedupe.ts'
import { taskWeight } from './ending.ts'
import { arrive, bindKey, delay, givePlaces, watchExpiry } from './places.ts'
import { queueNamed, type Queue, type Task, type TaskTable } from './task-table.ts'

/** Adds tasks, one outcome each in order; `always` also to a full queue. */
export function enqueue(
  table: TaskTable,
  tasks: readonly NewTask[],
  { at, always = false }: { readonly at: number; readonly always?: boolean },
): EnqueueOutcome[] {
  const refused = always ? undefined : refusedOf(table, tasks, at)
  const outcomes = freshFlows(tasks, (id) => table.tasks.has(id)).map((task, place): EnqueueOutcome =>
    refused?.has(place) === true ? { outcome: 'full', id: task.id } : enqueueOne(table, task, at),
  )
  givePlaces(table, at)
  return outcomes
}

/** How many more tasks a queue takes. */
export function roomOf(table: TaskTable, name: string): number {
  const queue = table.queues.get(name)
  return queue === undefined ? Infinity : roomIn(queue.settings, (state) => queue.counts[state])
}

function refusedOf(table: TaskTable, tasks: readonly NewTask[], at: number): ReadonlySet<number> {
  const isNew = ({ id, queue, dedupe }: NewTask): boolean => {
    const holder = dedupe === undefined ? undefined : table.queues.get(queue)?.dedupe.get(dedupe.key)
    return !table.tasks.has(id) && (holder === undefined || holder.endsAt <= at)
  }
  return withoutRoom(tasks, { isNew, roomOf: (name) => roomOf(table, name) })
}

function enqueueOne(table: TaskTable, added: NewTask, at: number): EnqueueOutcome {
  const there = table.tasks.get(added.id)
  if (there !== undefined) return outcomeOf(added, there)
  const queue = queueNamed(table, added.queue)
  const { dedupe } = added
  if (dedupe !== undefined) {
    const holder = renewHolder(table, queue, { added, dedupe, at })
    if (holder !== undefined) return { outcome: 'duplicate', id: holder.id }
  }
  const task = makeTask(table, queue, added, at)
  table.tasks.set(task.id, task)
  table.bytes += taskWeight(task)
  queue.counts[task.state] += 1
  table.changed.add(queue.name)
  bindKey(task, at)
  if (dedupe !== undefined) holdDedupe(table, task, dedupe, at)
  if (added.parent !== undefined) {
    const siblings = table.children.get(added.parent)
    if (siblings === undefined) table.children.set(added.parent, [task.id])
    else siblings.push(task.id)
  }
  if (task.state === 'blocked') watchExpiry(table, task)
  else if (added.delayMs > 0) delay(table, task, 'delay')
  else arrive(table, task, at)
  return { outcome: 'stored', id: task.id }
}

/** Of a task whose id is there already. */
function outcomeOf({ id, name, body }: NewTask, there: Task): EnqueueOutcome {
  if (there.name === name && there.body === body) return { outcome: 'stored', id }
  return { outcome: 'taken', id, name: there.name, body: there.body }
}

function makeTask(table: TaskTable, queue: Queue, added: NewTask, at: number): Task {
  table.lastNumber += 1
  const dueAt = at + Math.max(0, added.delayMs)
  return {
    id: added.id,
    queue,
    name: added.name,
    body: added.body,
    keyName: added.key,
    key: undefined,
    tenant: added.tenant,
    headStartMs: added.headStartMs,
    number: table.lastNumber,
    time: Math.max(dueAt, turnOf(queue, added, at)),
    state: added.children > 0 ? 'blocked' : 'waiting',
    attempts: 0,
    starts: 0,
    crashes: 0,
    worker: undefined,
    addedAt: at,
    dueAt,
    readyAt: at,
    startedAt: undefined,
    endedAt: undefined,
    expiresAt: added.expiresInMs === undefined ? undefined : at + added.expiresInMs,
    delayedBy: undefined,
    cancelling: false,
    dedupeKey: added.dedupe?.key,
    parent: added.parent,
    hasChildren: added.children > 0,
    failFast: added.failFast,
    pendingChildren: added.children,
    output: undefined,
    error: undefined,
    progress: undefined,
    log: [],
    hasPlace: false,
    index: -1,
    expiryIndex: -1,
  }
}

/** Tenants take turns: the next turn of this one. What is remembered is the turn, so that a delayed task holds up no other. */
function turnOf(queue: Queue, { tenant, headStartMs }: NewTask, at: number): number {
  const { fairMs } = queue.settings
  if (tenant === undefined || fairMs <= 0) return at
  const name = `${headStartMs} ${tenant}`
  const turn = Math.max(at, (queue.turns.get(name) ?? -Infinity) + fairMs)
  queue.turns.delete(name)
  queue.turns.set(name, turn)
  return turn
}
