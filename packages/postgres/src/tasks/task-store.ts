import type { NewTask, TaskStore } from '@millrace/core/driver'
import type { Database } from '../database/database.ts'
import type { Connection } from '../driver/connection.ts'
import type { HandlerTransactions } from '../inbox/handler-transactions.ts'
import { decodeName, encodeName } from '../name-codec.ts'
import { runInTransaction } from '../outbox/transaction-handle.ts'
import { appendTasks, enqueueTasks, tellOfTasks } from './enqueue.ts'
import { type ClaimedNumbers, exchangeTasks } from './exchange.ts'
import { encodeError } from './task-error.ts'
import { noticeOf } from './task-hub.ts'
import { childOutcomes, getTasks } from './task-rows.ts'

/** The tasks of one schema. */
export function createTaskStore(current: () => Connection, handlers: HandlerTransactions): TaskStore {
  const numbers: ClaimedNumbers = { byId: new Map(), timeline: undefined }
  const database = (): Database => current().database

  return {
    enqueue: async (tasks) => enqueueTasks(current(), tasks),
    async full(queues) {
      const rows = await database().rows<{ name: string }>(
        `SELECT q.name FROM $S.task_queues q WHERE q.id = ANY ((
           SELECT r.queues FROM $S.task_room_1(ARRAY(SELECT a.id FROM $S.task_queues a WHERE a.name = ANY ($1::text[]) ORDER BY a.id),
             array_fill(1, ARRAY[cardinality($1::text[])]), true) r)::integer[])`,
        queues.map(encodeName),
      )
      return rows.map(({ name }) => decodeName(name))
    },
    async append(tx, tasks) {
      const { where, schema } = database()
      const outcomes = await appendTasks(handlers.of(tx) ?? runInTransaction(tx, where), schema, tasks)
      tellAfterCommit(current(), tasks)
      return outcomes
    },
    async exchange(request) {
      for (const { queue } of request.claims) current().taskHub.know(queue)
      return exchangeTasks(current(), numbers, request)
    },
    async holders() {
      const rows = await database().rows<{ name: string }>(
        `SELECT w.name FROM $S.task_workers w
         WHERE EXISTS (SELECT 1 FROM $S.task_running r WHERE r.worker = w.id) ORDER BY w.name`,
      )
      return rows.map(({ name }) => decodeName(name))
    },
    async running(worker) {
      const rows = await database().rows<{ id: string; starts: number }>(
        `SELECT t.id, r.starts FROM $S.task_workers w JOIN $S.task_running r ON r.worker = w.id JOIN $S.tasks t ON t.n = r.n WHERE w.name = $1`,
        encodeName(worker),
      )
      return rows.map(({ id, starts }) => ({ id: decodeName(id), starts }))
    },
    async reclaim({ worker, deadAfterCrashes, error }) {
      const row = await database().first<{ taken: number; changed: readonly string[] | null }>(
        'SELECT * FROM $S.reclaim_tasks_1($1, $2, $3, $4)',
        encodeName(worker),
        deadAfterCrashes,
        encodeError(error),
        encodeName(error.fingerprint),
      )
      for (const queue of row?.changed ?? []) current().notices.published(noticeOf(decodeName(queue)))
      return row?.taken ?? 0
    },
    get: async (ids) => (ids.length === 0 ? [] : getTasks(database(), ids)),
    outcomes: async (parent) => childOutcomes(database(), parent),
    listen(listener) {
      const { notices, taskHub } = current()
      notices.listen()
      const stop = taskHub.add(listener)
      return {
        get arriving() {
          return notices.arriving
        },
        stop,
      }
    },
  }
}

/** When after an append others are told: soon, for most transactions end soon, and once more for those that take a little longer. */
const TELL_AFTER_MS = [15, 200]

function tellAfterCommit(connection: Connection, tasks: readonly NewTask[]): void {
  for (const ms of TELL_AFTER_MS) connection.runtime.setTimer(() => tellOfTasks(connection, tasks), ms)
}
