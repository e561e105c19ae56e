import type { DeadTaskCount, TaskAdmin, TaskChange } from '@millrace/core/driver'
import { pairsOf } from '../log/registry.ts'
import { CHANGE_TASKS, PUT_QUEUE, REMOVE_QUEUE } from '../scripts/tasks-changing.ts'
import { AHEAD, DEAD_COUNTS, QUEUE_NAMES, QUEUE_STATES, TASK_LOG } from '../scripts/tasks-reading.ts'
import { SWEEP_QUEUES, SWEEP_TASKS } from '../scripts/tasks-sweep.ts'
import { listTasks } from './listing.ts'
import { decodeQueue, encodeSettings, type QueueReply } from './queue-text.ts'
import type { TaskCalls } from './task-calls.ts'
import { inChunks } from './task-rows.ts'
import { decodeName, encodeName, wholeMs } from './task-text.ts'

/** What one script changes, reads or removes at most: it holds the server for some milliseconds. */
const MOST_AT_ONCE = 200
const QUEUES_AT_ONCE = 20

/** What operators do, each step a script. */
export function createTaskAdmin(calls: TaskCalls): TaskAdmin {
  const queueNames = async (): Promise<readonly string[]> => (await calls.read(QUEUE_NAMES, [])) as readonly string[]

  return {
    list: (query) => listTasks(calls, query),
    async change(ids, change) {
      const changed: string[] = []
      for (const chunk of inChunks(ids.map(encodeName), MOST_AT_ONCE)) {
        const args = [...argsOf(change), ...chunk]
        changed.push(...((await calls.write(CHANGE_TASKS, args)) as readonly string[]).map(decodeName))
      }
      return changed
    },
    async ahead(id, limit) {
      const count = Number(await calls.read(AHEAD, [encodeName(id), String(limit)]))
      return count < 0 ? undefined : count
    },
    async deadCounts({ queue } = {}) {
      const names = queue === undefined ? await queueNames() : [encodeName(queue)]
      const counts: DeadTaskCount[] = []
      for (const chunk of inChunks(names, QUEUES_AT_ONCE)) {
        for (const reply of (await calls.read(DEAD_COUNTS, chunk)) as readonly DeadReply[])
          counts.push(...countsOf(reply))
      }
      return counts
    },
    async logs(id) {
      return (await calls.read(TASK_LOG, [encodeName(id)])) as readonly string[]
    },
    async queues() {
      const replies: QueueReply[] = []
      for (const chunk of inChunks(await queueNames(), QUEUES_AT_ONCE))
        replies.push(...((await calls.read(QUEUE_STATES, chunk)) as readonly QueueReply[]))
      return replies.map(decodeQueue).toSorted((one, other) => (one.name < other.name ? -1 : 1))
    },
    async putQueue({ name, expectedVersion, settings, note }) {
      const args = [encodeName(name), String(expectedVersion), encodeSettings(settings, note)]
      const version = Number(await calls.write(PUT_QUEUE, args))
      return version === 0 ? undefined : { version }
    },
    removeQueue: async (name) => (await calls.write(REMOVE_QUEUE, [encodeName(name)])) === 1,
    async sweep() {
      const [expired, moreDue] = (await calls.write(SWEEP_TASKS, [String(MOST_AT_ONCE)])) as readonly [number, number]
      let removed = 0
      let more = moreDue === 1
      for (const chunk of inChunks(await queueNames(), QUEUES_AT_ONCE)) {
        const args = ['1000', ...chunk]
        const [count, moreOfQueues] = (await calls.write(SWEEP_QUEUES, args)) as readonly [number, number]
        removed += count
        more ||= moreOfQueues === 1
      }
      return { removed, expired, more }
    },
  }
}

function argsOf(change: TaskChange): string[] {
  const body = change.action === 'run' ? change.body : undefined
  const amount = change.action === 'prioritise' ? change.headStartMs : change.action === 'postpone' ? change.delayMs : 0
  return [change.action, wholeMs(amount), body === undefined ? '0' : '1', body ?? '']
}

type DeadReply = readonly [queue: string, counts: unknown, samples: unknown]

function countsOf([queue, counts, samples]: DeadReply): DeadTaskCount[] {
  const sampleOf = new Map(pairsOf(samples))
  return pairsOf(counts).map(([fingerprint, count]) => {
    const sample = JSON.parse(sampleOf.get(fingerprint) ?? '["0","",""]') as [string, string, string]
    const [lastFailedAt, code, message] = sample
    return {
      queue: decodeName(queue),
      fingerprint,
      code,
      message,
      count: Number(count),
      lastFailedAt: Number(lastFailedAt) / 1_000,
    }
  })
}
