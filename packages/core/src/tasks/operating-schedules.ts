import type { NewTask } from '../driver/task.ts'
import type { ScheduleRow, ScheduleStore } from '../driver/schedule-store.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { TaskHandle } from './task-handle.ts'
import type { AddOptions } from './task-operations.ts'
import { checkScheduleOptions, declaredSpec, invalidSchedule, isSameSpec, nameOf } from './declared-schedule.ts'
import { assertScheduleName } from './names.ts'
import type { ScheduleOperations, ScheduleOptions, ScheduleRule, ScheduleView } from './schedule-operations.ts'
import { decodeSpec, encodeSpec, nextFiring, viewOfSchedule, type ScheduleSpec } from './schedule-spec.ts'
import { taskOptions } from './scheduler.ts'
import type { TaskCatalog } from './task-catalog.ts'
import { wrongNumber } from './whole-number.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'

export interface OperatingSchedulesOptions {
  readonly store: ScheduleStore
  readonly runtime: Runtime
  readonly catalog: TaskCatalog
  readonly prepare: (name: string, input: unknown, options: AddOptions) => NewTask
  readonly add: (name: string, input: unknown, options: AddOptions) => Promise<TaskHandle>
  readonly opened: () => Promise<void>
  /** Something was changed: whoever fires looks again. */
  readonly onChanged: () => void
}

const TRIES = 10
const MOST_NEXT = 100
const PAGE = 1_000
const LIST_OPTIONS: ReadonlySet<string> = new Set(['after', 'limit'])
/** Rows of this prefix belong to other parts of Millrace. */
const RESERVED = 'millrace.'

/** Storing schedules and changing them. */
export function createOperatingSchedules(options: OperatingSchedulesOptions): ScheduleOperations {
  const { store, runtime, catalog, opened } = options

  async function need(name: string): Promise<{ readonly row: ScheduleRow; readonly spec: ScheduleSpec }> {
    await opened()
    const row = typeof name !== 'string' || name.startsWith(RESERVED) ? undefined : await store.get(name)
    const spec = row === undefined ? undefined : decodeSpec(row.spec)
    if (row !== undefined && spec !== undefined) return { row, spec }
    throw new MillraceError('schedule_unknown', `There is no schedule "${name}".`, { facts: { schedule: name } })
  }

  /** Undefined from `how` leaves it as it is. */
  async function change(
    name: string,
    how: (row: ScheduleRow, spec: ScheduleSpec) => Omit<ScheduleRow, 'version' | 'name'> | undefined,
  ): Promise<ScheduleView> {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const { row, spec } = await need(name)
      const changed = how(row, spec)
      if (changed === undefined) return viewOfSchedule(row, spec)
      const stored = await store.put({ name, ...changed }, row.version)
      if (stored === undefined) continue
      options.onChanged()
      return viewOfSchedule(stored, decodeSpec(stored.spec) ?? spec)
    }
    throw busy(name)
  }

  async function put(name: string, rule: ScheduleRule, given: ScheduleOptions): Promise<ScheduleView> {
    checkName(name)
    checkScheduleOptions(given)
    if (typeof given.task !== 'string') catalog.add(given.task)
    await opened()
    for (let tries = 0; tries < TRIES; tries += 1) {
      const row = await store.get(name)
      const before = row === undefined ? undefined : decodeSpec(row.spec)
      const spec = declaredSpec({ rule, given, before, known: catalog.get(nameOf(given)), now: runtime.now() })
      if (row !== undefined && before !== undefined && isSameSpec(before, spec)) {
        options.onChanged()
        return viewOfSchedule(row, before)
      }
      const now = runtime.now()
      options.prepare(spec.task, spec.input, taskOptions(name, spec, now))
      const nextAt = nextFiring(spec, now)
      if (nextAt === undefined && !spec.paused) throw neverFires(name)
      const changed = { name, spec: encodeSpec(spec), nextAt, lastAt: row?.lastAt }
      const stored = await store.put(changed, row?.version ?? 0)
      if (stored === undefined) continue
      options.onChanged()
      return viewOfSchedule(stored, spec)
    }
    throw busy(name)
  }

  return {
    put,
    async list(query = {}) {
      const strange = wrongOptions(query, LIST_OPTIONS)
      if (strange !== undefined)
        throw new MillraceError('request_invalid', `The option "${strange.name ?? 'options'}" ${strange.what}.`, {
          path: strange.name ?? 'options',
        })
      const { after, limit = 100 } = query
      const wrong = wrongNumber(limit, { least: 1, most: PAGE })
      if (wrong !== undefined) throw new MillraceError('request_invalid', `The limit ${wrong}.`, { path: 'limit' })
      await opened()
      const views: ScheduleView[] = []
      let last = after
      while (views.length < limit) {
        const rows = await store.list({ limit, ...(last === undefined ? {} : { after: last }) })
        for (const row of rows) {
          last = row.name
          const spec = row.name.startsWith(RESERVED) ? undefined : decodeSpec(row.spec)
          if (spec !== undefined && views.length < limit) views.push(viewOfSchedule(row, spec))
        }
        if (rows.length < limit) break
      }
      return views
    },
    async get(name) {
      const { row, spec } = await need(name)
      return viewOfSchedule(row, spec)
    },
    pause: (name) =>
      change(name, (row, spec) =>
        spec.paused ? undefined : { ...row, spec: encodeSpec({ ...notHeld(spec), paused: true }), nextAt: undefined },
      ),
    resume: (name) =>
      change(name, (row, spec) => {
        const resumed = { ...spec, paused: false }
        return spec.paused
          ? { ...row, spec: encodeSpec(resumed), nextAt: nextFiring(resumed, runtime.now()) }
          : undefined
      }),
    async runNow(name) {
      const { spec } = await need(name)
      // The definition may have moved to another queue since.
      const queue = catalog.get(spec.task)?.queue.name ?? spec.queue
      const { id } = await options.add(spec.task, spec.input, { ...taskOptions(name, spec, runtime.now()), queue })
      return { id }
    },
    skipNext: (name) =>
      change(name, (row, spec) =>
        row.nextAt === undefined
          ? undefined
          : { ...row, spec: encodeSpec(notHeld(spec)), nextAt: nextFiring(spec, spec.heldSince ?? row.nextAt) },
      ),
    async remove(name) {
      await need(name)
      await store.remove(name)
      options.onChanged()
    },
    async next(name, count = 5) {
      const wrong = wrongNumber(count, { least: 1, most: MOST_NEXT })
      if (wrong !== undefined) throw new MillraceError('request_invalid', `The count ${wrong}.`, { path: 'count' })
      const { row, spec } = await need(name)
      return instantsAfter(spec.heldSince ?? row.nextAt, spec, count).map((at) => new Date(at).toISOString())
    },
  }
}

function instantsAfter(first: number | undefined, spec: ScheduleSpec, count: number): readonly number[] {
  const most = spec.limit === undefined ? count : Math.min(count, spec.limit - spec.fired)
  const instants: number[] = []
  for (let at = first; at !== undefined && instants.length < most; at = nextFiring(spec, at)) instants.push(at)
  return instants
}

/** What waits for room is given up. */
function notHeld({ heldSince: _held, ...spec }: ScheduleSpec): ScheduleSpec {
  return spec
}

function checkName(name: string): void {
  assertScheduleName(name)
  if (name.startsWith(RESERVED)) throw invalidSchedule('name', `begins with "${RESERVED}", which is reserved`)
}

function neverFires(name: string): MillraceError {
  return new MillraceError(
    'schedule_invalid',
    `The schedule "${name}" never fires: its rule has no instant that is still to come, within its bounds.`,
    { path: 'rule', facts: { schedule: name } },
  )
}

function busy(name: string): MillraceError {
  return new MillraceError('setting_conflict', `The schedule "${name}" is being changed by others. Try again.`, {
    retriable: true,
    facts: { schedule: name },
  })
}
