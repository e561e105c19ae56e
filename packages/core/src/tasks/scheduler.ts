import type { NewTask } from '../driver/task.ts'
import type { ScheduleRow, ScheduleStore } from '../driver/schedule-store.ts'
import { wait } from '../runtime/abort.ts'
import { isMillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { AddOptions } from './task-operations.ts'
import { planFiring } from './schedule-firing.ts'
import { CLOCK_SLACK_MS, repairSchedules } from './schedule-repair.ts'
import { decodeSpec, encodeSpec, nextFiring, type ScheduleSpec } from './schedule-spec.ts'

/** Fires the schedules that are due; any number of processes may do so at once. */
export interface Scheduler {
  start(): void
  /** A schedule was changed here. */
  nudge(): void
  stop(): Promise<void>
}

export interface SchedulerOptions {
  readonly store: ScheduleStore
  /** Those of the queues that take no more tasks. */
  readonly full: (queues: readonly string[]) => Promise<readonly string[]>
  readonly runtime: Runtime
  /** The task that a firing adds. Throws what is wrong with it. */
  readonly prepare: (name: string, input: unknown, options: AddOptions) => NewTask
  readonly onFired: (queues: ReadonlySet<string>) => void
  readonly onError: (error: unknown) => void
}

/** What becomes of a schedule that is due. */
interface Planned {
  readonly row: ScheduleRow
  readonly tasks: readonly NewTask[]
}

/** Others may have stored schedules that nobody here has heard of. */
const LOOK_MS = 5_000
const PAGE = 100
const LONGEST_BACKOFF_MS = 30_000
/** How often what waits for room in its queue is tried. */
const HELD_MS = 5_000

export function createScheduler({ store, full, runtime, prepare, onFired, onError }: SchedulerOptions): Scheduler {
  const stopping = new AbortController()
  let nudged = new AbortController()
  let running: Promise<void> | undefined

  async function loop(): Promise<void> {
    let failures = 0
    /** What the wall clock was ahead of the passing of time at the last look; undefined until the schedules were looked through. */
    let ahead: number | undefined
    while (!stopping.signal.aborted) {
      nudged = new AbortController()
      let restMs = LOOK_MS
      try {
        const now = runtime.now()
        const aheadNow = now - runtime.monotonic()
        if (ahead === undefined || aheadNow < ahead - CLOCK_SLACK_MS) await repairSchedules(store, now)
        ahead = aheadNow
        restMs = await fireDue()
        failures = 0
      } catch (error) {
        if (isMillraceError(error, 'closed')) return
        if (failures++ === 0) onError(error)
        restMs = Math.min(LONGEST_BACKOFF_MS, 200 * 2 ** failures)
      }
      if (restMs > 0) await wait(runtime, restMs, AbortSignal.any([stopping.signal, nudged.signal]))
    }
  }

  /** Milliseconds until something is due again, at most `LOOK_MS`. */
  async function fireDue(): Promise<number> {
    const { due, nextAt } = await store.due(runtime.now(), PAGE)
    let soonest = nextAt ?? Number.POSITIVE_INFINITY
    const room = createRoom(full)
    for (const row of due) {
      if (stopping.signal.aborted) return 0
      soonest = Math.min(soonest, (await fire(row, room)) ?? Number.POSITIVE_INFINITY)
    }
    if (due.length === PAGE) return 0
    return Math.min(LOOK_MS, Math.max(0, soonest - runtime.now()))
  }

  /** What cannot be read must not be looked at again and again. */
  function planOf(row: ScheduleRow): Planned {
    const spec = decodeSpec(row.spec)
    if (spec === undefined || row.nextAt === undefined) return { row: { ...row, nextAt: undefined }, tasks: [] }
    return plan(row, row.nextAt, spec)
  }

  /** Gives when it fires next. */
  async function fire(row: ScheduleRow, room: Room): Promise<number | undefined> {
    const planned = planOf(row)
    const fullQueue = await room.fullOf(new Set(planned.tasks.map(({ queue }) => queue)))
    const firing = fullQueue === undefined ? planned : held(row, fullQueue, runtime.now())
    const { tasks } = firing
    if ((await store.fire(firing)) && tasks.length > 0) onFired(new Set(tasks.map((task) => task.queue)))
    return firing.row.nextAt
  }

  function plan(row: ScheduleRow, dueAt: number, spec: ScheduleSpec): Planned {
    const now = runtime.now()
    try {
      const { instants, nextAt } = planFiring(spec, spec.heldSince ?? dueAt, now)
      const tasks = instants.map((instant) => prepare(spec.task, spec.input, taskOptions(row.name, spec, instant)))
      const { error: _error, heldSince: _held, ...fine } = spec
      const fired = { ...fine, fired: spec.fired + tasks.length }
      return { row: { ...row, spec: encodeSpec(fired), nextAt, lastAt: instants.at(-1) ?? row.lastAt }, tasks }
    } catch (error) {
      onError(error)
      const { heldSince: _held, ...rest } = spec
      const failed = { ...rest, error: error instanceof Error ? error.message.slice(0, 1_000) : String(error) }
      return { row: { ...row, spec: encodeSpec(failed), nextAt: nextFiring(spec, now) }, tasks: [] }
    }
  }

  return {
    start: () => void (running ??= loop()),
    nudge: () => nudged.abort(),
    async stop() {
      stopping.abort()
      await running
    },
  }
}

/** What is known of the room in queues, asked once for all that fires at a moment. */
interface Room {
  /** The first of the queues that is full. */
  fullOf(queues: Iterable<string>): Promise<string | undefined>
}

function createRoom(full: SchedulerOptions['full']): Room {
  const known = new Map<string, boolean>()
  return {
    async fullOf(queues) {
      for (const queue of queues) {
        const isFull = known.get(queue) ?? (await full([queue])).length > 0
        known.set(queue, isFull)
        if (isFull) return queue
      }
      return undefined
    },
  }
}

/** A firing that finds its queue full: it is tried again soon, and what was due meanwhile is made up for by the rule for what was missed. */
function held(row: ScheduleRow, queue: string, now: number): Planned {
  const spec = decodeSpec(row.spec)
  const heldSince = spec?.heldSince ?? row.nextAt
  const error = `The queue "${queue}" is full: the firing waits.`
  const waiting = JSON.stringify({ ...spec, error, ...(heldSince === undefined ? {} : { heldSince }) })
  return { row: { ...row, spec: waiting, nextAt: now + HELD_MS }, tasks: [] }
}

/** The instant travels in the extensions of the metadata: `schedule` and `scheduledat`. */
export function taskOptions(name: string, spec: ScheduleSpec, instant: number): AddOptions {
  return {
    ...spec.options,
    queue: spec.queue,
    metadata: { extensions: { schedule: name, scheduledat: new Date(instant).toISOString() } },
    ...(spec.noOverlap ? { dedupe: `schedule:${name}` } : {}),
  }
}
