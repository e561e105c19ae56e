import { ENQUEUE_PATIENCE_MS, type ChildOutcome, type EnqueueOutcome, type TaskStore } from '@millrace/core/driver'
import { ENQUEUE_TASKS, FULL_QUEUES } from '../scripts/tasks-enqueue.ts'
import { HOLDERS, RECLAIM_TASKS, RUNNING } from '../scripts/tasks-reclaim.ts'
import { CHILDREN, GET_TASKS } from '../scripts/tasks-reading.ts'
import { createExchanges } from './exchanges.ts'
import { addingError, type TaskCalls } from './task-calls.ts'
import type { TaskChanges } from './task-changes.ts'
import { decodeRows, inChunks } from './task-rows.ts'
import { decodeName, encodeError, encodeName, encodeTasks } from './task-text.ts'

/** Tasks of one reclaiming script: it holds the server for some milliseconds at most. */
const MOST_RECLAIMED = 500

/** Tasks in one slot, each step a script. */
export function createTaskStore(calls: TaskCalls, changes: TaskChanges): Required<Omit<TaskStore, 'append'>> {
  const { exchange } = createExchanges(calls)
  return {
    async enqueue(tasks) {
      if (tasks.length === 0) return []
      const reply = await calls
        .write(ENQUEUE_TASKS, encodeTasks(tasks), ENQUEUE_PATIENCE_MS)
        .catch((error: unknown) => Promise.reject(addingError(error)))
      return outcomesOf(tasks, reply as OddReply)
    },
    async full(queues) {
      return ((await calls.read(FULL_QUEUES, queues.map(encodeName))) as readonly string[]).map(decodeName)
    },
    exchange(request) {
      for (const { queue } of request.claims) changes.know(queue)
      return exchange(request)
    },
    async holders() {
      return ((await calls.read(HOLDERS, [])) as readonly string[]).map(decodeName)
    },
    async running(worker) {
      const reply = (await calls.read(RUNNING, [encodeName(worker)])) as readonly string[]
      const found: { id: string; starts: number }[] = []
      for (let at = 0; at + 1 < reply.length; at += 2)
        found.push({ id: decodeName(reply[at] ?? ''), starts: Number(reply[at + 1]) })
      return found
    },
    async reclaim({ worker, deadAfterCrashes, error }) {
      const args = [encodeName(worker), String(deadAfterCrashes), encodeError(error), String(MOST_RECLAIMED)]
      return Number(await calls.write(RECLAIM_TASKS, args))
    },
    async get(ids) {
      const replies: unknown[] = []
      for (const chunk of inChunks(ids.map(encodeName), 200)) replies.push(await calls.read(GET_TASKS, chunk))
      return replies.flatMap((reply) => decodeRows(reply as readonly string[]))
    },
    async outcomes(parent) {
      const rows: ChildOutcome[] = []
      for (let from = 0; ; from += 200) {
        const reply = (await calls.read(CHILDREN, [
          encodeName(parent),
          String(from),
          String(from + 199),
        ])) as ChildrenReply
        for (const { id, name, state, output, error } of decodeRows(reply[1])) {
          if (state === 'done' || state === 'dead' || state === 'cancelled' || state === 'expired')
            rows.push({ id, name, state, output, error })
        }
        if (reply[0] < 200) return rows
      }
    },
    listen: (listener) => changes.listen(listener),
  }
}

/** Index and holder of what was not added; or index, id, name and body of what has its id; or the index of what found its queue full. */
export type OddReply = readonly (readonly [index: number, id?: string, name?: string, body?: string])[]
type ChildrenReply = readonly [children: number, rows: readonly string[]]

function outcomesOf(tasks: readonly { readonly id: string }[], odd: OddReply): EnqueueOutcome[] {
  const outcomes = tasks.map(({ id }): EnqueueOutcome => ({ outcome: 'stored', id }))
  for (const [index, id, name, body = ''] of odd) {
    if (id === undefined) outcomes[index] = { outcome: 'full', id: tasks[index]?.id ?? '' }
    else if (name === undefined) outcomes[index] = { outcome: 'duplicate', id: decodeName(id) }
    else outcomes[index] = { outcome: 'taken', id: decodeName(id), name: decodeName(name), body }
  }
  return outcomes
}
