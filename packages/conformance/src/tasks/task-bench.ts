import assert from 'node:assert/strict'
import {
  DEFAULT_QUEUE_SETTINGS,
  type ClaimedTask,
  type ClaimedTasks,
  type Driver,
  type NewTask,
  type QueueSettings,
  type QueueStatus,
  type ScheduleStore,
  type SettingStore,
  type TaskAdmin,
  type TaskError,
  type TaskExchanged,
  type TaskRow,
  type TaskSettle,
  type TaskState,
  type TaskStore,
} from '@millrace/core/driver'
import { newTask as anyTask, settleOf as anySettle } from '@millrace/core/testing'

export const HOUR = 3_600_000

/** The stores of tasks of one opened driver, with what the properties do over and over. */
export interface TaskBench {
  readonly tasks: TaskStore
  readonly admin: TaskAdmin
  readonly schedules: ScheduleStore
  readonly settings: SettingStore
  /** Adds one task and insists that it is stored; returns its id. */
  add(wish?: TaskWish): Promise<string>
  /** Adds tasks in one call and insists that all are stored; returns their ids. */
  addAll(wishes: readonly TaskWish[]): Promise<string[]>
  /** Claims and returns what a worker got. */
  claim(wish?: ClaimWish): Promise<readonly ClaimedTask[]>
  /** Claims and returns the whole answer to the one claim. */
  ask(wish?: ClaimWish): Promise<ClaimedTasks>
  /** Settles one claim; `done` unless it is said. */
  settle(claim: Claim, wish?: SettleWish): Promise<'settled' | 'fenced'>
  exchange(wish: ExchangeWish): Promise<TaskExchanged>
  row(id: string): Promise<TaskRow>
  states(ids: readonly string[]): Promise<TaskState[]>
  /** Changes some settings of a queue. */
  put(queue: string, settings: SettingsWish): Promise<void>
  status(queue: string): Promise<QueueStatus>
  /** Sweeps until there is nothing left to do. */
  sweep(): Promise<{ readonly removed: number; readonly expired: number }>
}

export type TaskWish = Partial<NewTask>
export type SettleWish = Partial<Omit<TaskSettle, 'id' | 'starts'>> & { readonly worker?: string }
export type Claim = Pick<ClaimedTask, 'id' | 'starts'>
export type SettingsWish = Partial<Omit<QueueSettings, 'key'>> & { readonly key?: Partial<QueueSettings['key']> }
export type ExchangeWish = Partial<Parameters<TaskStore['exchange']>[0]>

export interface ClaimWish {
  readonly worker?: string
  readonly queue?: string
  readonly names?: readonly string[]
  readonly limit?: number
  readonly suspects?: number
}

let made = 0

/** A task; what is not wished is made up. */
export function newTask(wish: TaskWish = {}): NewTask {
  made += 1
  return anyTask({ id: `task-${String(made).padStart(6, '0')}`, body: JSON.stringify({ number: made }), ...wish })
}

/** The end of a claim; `done` unless it is said. */
export function settleOf(claim: Claim, { worker: _worker, ...wish }: SettleWish = {}): TaskSettle {
  return anySettle(claim, wish)
}

export function taskError(fingerprint = 'f', message = 'it failed'): TaskError {
  return { code: 'handler_failed', message, stack: 'Error: it failed\n  at work', fingerprint }
}

export function idsOf(tasks: readonly { readonly id: string }[]): string[] {
  return tasks.map(({ id }) => id)
}

/** The only one of a list. */
export function only<Value>(values: readonly Value[]): Value {
  assert.equal(values.length, 1, 'exactly one is expected')
  return values[0] as Value
}

/** The bench of a driver. Throws when it keeps no tasks. */
export function taskBench({ stores }: Driver): TaskBench {
  const { tasks, taskAdmin: admin, schedules, settings } = stores
  assert.ok(
    tasks && admin && schedules && settings,
    'the driver has all four stores of tasks, or declares `tasks: false`',
  )

  async function addAll(wishes: readonly TaskWish[]): Promise<string[]> {
    const wanted = wishes.map(newTask)
    const outcomes = await tasks?.enqueue(wanted)
    assert.deepEqual(
      outcomes,
      wanted.map(({ id }) => ({ outcome: 'stored', id })),
    )
    return idsOf(wanted)
  }

  const exchange = (wish: ExchangeWish): Promise<TaskExchanged> =>
    tasks.exchange({ worker: 'w', settles: [], notes: [], claims: [], ...wish })

  async function ask({ worker = 'w', ...wish }: ClaimWish = {}): Promise<ClaimedTasks> {
    const claims = [{ queue: 'q', names: ['job'], limit: 100, suspects: 1, ...wish }]
    const { claimed } = await exchange({ worker, claims })
    return only(claimed)
  }

  async function row(id: string): Promise<TaskRow> {
    return only((await tasks?.get([id])) ?? [])
  }

  async function status(queue: string): Promise<QueueStatus> {
    return only(((await admin?.queues()) ?? []).filter(({ name }) => name === queue))
  }

  return {
    tasks,
    admin,
    schedules,
    settings,
    add: async (wish = {}) => only(await addAll([wish])),
    addAll,
    claim: async (wish) => (await ask(wish)).tasks,
    ask,
    async settle(claim, wish = {}) {
      const { settled } = await exchange({ worker: wish.worker ?? 'w', settles: [settleOf(claim, wish)] })
      return only(settled)
    },
    exchange,
    row,
    async states(ids) {
      const rows = new Map((await tasks.get(ids)).map((each) => [each.id, each.state]))
      return ids.map((id) => {
        const state = rows.get(id)
        assert.ok(state, `the task ${id} is there`)
        return state
      })
    },
    async put(queue, { key, ...wish }) {
      const known = (await admin.queues()).find(({ name }) => name === queue)
      const before = known?.settings ?? DEFAULT_QUEUE_SETTINGS
      const next = { ...before, ...wish, key: { ...before.key, ...key } }
      const expectedVersion = known?.version ?? 0
      const stored = await admin.putQueue({ name: queue, expectedVersion, settings: next, note: known?.note ?? '' })
      assert.deepEqual(stored, { version: expectedVersion + 1 })
    },
    status,
    async sweep() {
      const sum = { removed: 0, expired: 0 }
      for (;;) {
        const { removed, expired, more } = await admin.sweep()
        sum.removed += removed
        sum.expired += expired
        if (!more) return sum
      }
    },
  }
}
