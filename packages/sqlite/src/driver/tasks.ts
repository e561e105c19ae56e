import { addingUnknown, type EnqueueOutcome, type NewTask, type TaskRow, type TaskStore } from '@millrace/core/driver'
import { isOutcomeUnknown } from '../loop/link.ts'
import { decodeExchange, encodeExchange } from '../write/tasks/exchange-wire.ts'
import { enqueue, type EnqueueReply, type OddOne } from '../write/tasks/enqueue.ts'
import { encodeTasks } from '../write/tasks/task-batch.ts'
import type { CallerTransactions } from './caller-transaction.ts'
import type { Lifecycle } from './connection.ts'
import type { HandlerTransactions } from './handler-transactions.ts'

/** Tasks in one file: what moves them goes to the writer, what looks at them goes to the reader. */
export function createTaskStore(
  life: Lifecycle,
  callers: CallerTransactions,
  handlers: HandlerTransactions,
): TaskStore {
  return {
    async enqueue(tasks) {
      if (tasks.length === 0) return []
      const { writer, news } = life.current()
      const reply = await writer.call('enqueue', encodeTasks(tasks)).catch((error: unknown) => {
        throw isOutcomeUnknown(error) ? addingUnknown(error) : error
      })
      news.own(reply.touched)
      return outcomesOf(tasks, reply)
    },
    async append(tx, tasks) {
      life.current()
      const batch = encodeTasks(tasks)
      const handler = handlers.of(tx)
      if (handler === undefined)
        return outcomesOf(
          tasks,
          callers.run(tx, (state) => enqueue(state, batch)),
        )
      // What the handler writes is applied when it has ended; until then nobody knows of a holder.
      const write = { kind: 'enqueue', batch } as const
      handler.write(write)
      const { reader } = life.current()
      const rows = await reader.call('getTasks', { ids: batch.ids })
      const full = await reader.call('fullQueues', { queues: batch.queues })
      const odd = oddOnes(tasks, rows, full)
      if (odd.some((each) => each.length === 1)) handler.drop(write)
      return outcomesOf(tasks, { odd })
    },
    full: async (queues) => life.current().reader.call('fullQueues', { queues }),
    async exchange(request) {
      const { writer, news } = life.current()
      const call = encodeExchange(request)
      const reply = await writer.call('exchange', call)
      news.own(reply.touched)
      return decodeExchange(call, reply)
    },
    holders: async () => life.current().reader.call('taskHolders', undefined),
    running: async (worker) => life.current().reader.call('runningTasks', { worker }),
    async reclaim(request) {
      const { writer, news } = life.current()
      const { taken, touched } = await writer.call('reclaim', request)
      news.own(touched)
      return taken
    },
    get: async (ids) => life.current().reader.call('getTasks', { ids }),
    outcomes: async (parent) => life.current().reader.call('outcomesOf', { parent }),
    listen(listener) {
      const { reader, news } = life.current()
      return news.listen(listener, reader)
    },
  }
}

/** Of what a handler adds: ids that are there already with something else, and new tasks that find a queue full, all or none. */
function oddOnes(tasks: readonly NewTask[], rows: readonly TaskRow[], full: readonly string[]): OddOne[] {
  const there = new Map(rows.map((row) => [row.id, row]))
  const isRefused = tasks.some(({ id, queue }) => !there.has(id) && full.includes(queue))
  return tasks.flatMap(({ id, name, body }, index): OddOne[] => {
    const row = there.get(id)
    if (row === undefined) return isRefused ? [[index]] : []
    return row.name === name && row.body === body ? [] : [[index, id, row.name, row.body]]
  })
}

function outcomesOf(tasks: readonly NewTask[], { odd }: Pick<EnqueueReply, 'odd'>): EnqueueOutcome[] {
  const outcomes = tasks.map(({ id }): EnqueueOutcome => ({ outcome: 'stored', id }))
  for (const [index, id, name, body] of odd) {
    if (id === undefined) outcomes[index] = { outcome: 'full', id: tasks[index]?.id ?? '' }
    else if (name === undefined) outcomes[index] = { outcome: 'duplicate', id }
    else outcomes[index] = { outcome: 'taken', id, name, body: body ?? '' }
  }
  return outcomes
}
