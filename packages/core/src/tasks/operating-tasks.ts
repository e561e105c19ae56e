import type { LeaseStore } from '../driver/lease-store.ts'
import type { TaskAdmin } from '../driver/task-admin.ts'
import type { TaskStore } from '../driver/task-store.ts'
import type { TaskRow, TaskState } from '../driver/task.ts'
import { wait } from '../runtime/abort.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { hasEnded } from './ended-task.ts'
import type { Enqueueing } from './enqueueing.ts'
import { explain } from './explain.ts'
import type { Results } from './results.ts'
import { createTaskActions } from './task-actions.ts'
import { checkId, unknownTask } from './task-id.ts'
import type { TaskCatalog } from './task-catalog.ts'
import type { TaskExplanation } from './task-explanation.ts'
import type { TaskOperations } from './task-operations.ts'
import { queryOf } from './task-query.ts'
import type { TaskView } from './task-view.ts'
import { progressIn, viewOf } from './view-of.ts'
import { checkFollowOptions, checkResultOptions } from './wait-options.ts'
import { knownWork, workerProcesses } from './worker-processes.ts'

export interface OperatingTasksOptions {
  readonly store: TaskStore
  readonly admin: TaskAdmin
  readonly leases: LeaseStore
  readonly runtime: Runtime
  readonly catalog: TaskCatalog
  readonly enqueueing: Enqueueing
  readonly results: Results
  readonly opened: () => Promise<void>
  readonly onChanged: (queues: ReadonlySet<string>) => void
}

const MOST_AHEAD = 10_000
const KEY_HOLDERS_SHOWN = 10
const FOLLOW_MS = 250

/** Looking at tasks and changing them. */
export function createOperatingTasks(options: OperatingTasksOptions): TaskOperations {
  const { store, admin, leases, runtime, catalog, enqueueing, results, opened } = options

  async function need(id: string): Promise<TaskRow> {
    checkId(id)
    await opened()
    const [row] = await store.get([id])
    if (row === undefined) throw unknownTask(id)
    return row
  }

  async function explainTask(id: string): Promise<TaskExplanation> {
    const row = await need(id)
    const [queues, ahead, known, keyHolders] = await Promise.all([
      admin.queues(),
      admin.ahead(id, MOST_AHEAD),
      knownWork(leases),
      keyHoldersOf(row),
    ])
    const queue = queues.find(({ name }) => name === row.queue)
    return explain({ row, queue, ahead, counted: MOST_AHEAD, now: runtime.now(), known, keyHolders })
  }

  /** What keeps a place of its key: what runs or may run, else what is tried again or was postponed. */
  async function keyHoldersOf({ id, queue, key, state }: TaskRow): Promise<readonly TaskRow[]> {
    if (key === undefined || state !== 'waiting') return []
    const some = async (states: readonly TaskState[]): Promise<readonly TaskRow[]> =>
      (await admin.list({ queue, key, states, limit: KEY_HOLDERS_SHOWN })).filter((row) => row.id !== id)
    const now = await some(['running', 'ready', 'suspect'])
    if (now.length > 0) return now.toSorted((one, other) => Number(isRunning(other)) - Number(isRunning(one)))
    const later = await some(['delayed'])
    const sure = later.filter(({ delayedBy }) => delayedBy !== 'delay')
    return sure.length > 0 ? sure : later
  }

  async function* follow(id: string, given: unknown): AsyncGenerator<TaskView, void, undefined> {
    checkFollowOptions(given)
    const { signal } = given
    let shown = ''
    while (signal?.aborted !== true) {
      const row = await need(id)
      const face = JSON.stringify([row.state, row.attempts, row.starts, row.progress, row.cancelling, row.dueAt])
      if (face !== shown) yield viewOf(row)
      if (hasEnded(row)) return
      shown = face
      await wait(runtime, FOLLOW_MS, signal, true)
    }
  }

  return {
    get definitions() {
      return catalog.list()
    },
    add: enqueueing.add,
    get: async (id) => viewOf(await need(id)),
    async list(filter = {}) {
      const query = queryOf(filter)
      await opened()
      return (await admin.list(query)).map(viewOf)
    },
    ...createTaskActions(options),
    explain: explainTask,
    async logs(id) {
      await need(id)
      return admin.logs(id)
    },
    progress: async (id) => progressIn(await need(id)),
    async result(id, given = {}) {
      checkId(id)
      checkResultOptions(given)
      return results.wait(id, given)
    },
    follow: (id, given = {}) => follow(id, given),
    async workers() {
      await opened()
      return workerProcesses(leases)
    },
  }
}

function isRunning({ state }: TaskRow): boolean {
  return state === 'running'
}
