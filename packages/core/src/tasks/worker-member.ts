import { createLivenessWatch } from '../bus/assignment.ts'
import type { LeaseStore } from '../driver/lease-store.ts'
import type { TaskStore } from '../driver/task-store.ts'
import { wait } from '../runtime/abort.ts'
import { isMillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { failureOf } from './task-outcome.ts'
import type { AnyTaskDefinition } from './task-definition.ts'
import { encodeLabel } from './worker-label.ts'

/** The group of all worker processes. */
export const WORKERS = 'millrace.workers'

/** This process among the workers: shows that it lives, and takes the tasks of those that do not. */
export interface WorkerMember {
  /** Undefined until it has joined. */
  readonly id: string | undefined
  /** Resolves when it has joined. Throws `engine_*`. */
  join(): Promise<void>
  /** The tasks that it works on have changed. */
  relabel(): Promise<void>
  leave(): Promise<void>
}

export interface WorkerMemberOptions {
  readonly service: string
  readonly leases: LeaseStore
  readonly store: TaskStore
  readonly runtime: Runtime
  readonly leaseMs: number
  readonly alive: Int32Array
  /** What it takes. */
  readonly work: () => readonly Pick<AnyTaskDefinition, 'name' | 'queue'>[]
  /** Others hold this process for dead: what it had is done again elsewhere. */
  readonly onExpelled: (worker: string) => void
  /** It is a member again, under another name. */
  readonly onRejoined: () => void
  /** Tasks of a dead worker can be claimed again. */
  readonly onReclaimed: (worker: string, tasks: number) => void
  readonly onError: (error: unknown) => void
}

const BEATS_PER_LEASE = 3
const LOOK_LEASES = 0.6
/** Whoever holds tasks is asked for when a member is gone, and with every so many looks at the members. */
const LOOKS_PER_HOLDERS = 10
const SHORTEST_LOOK_MS = 200
/** How long the main thread may stand still before its tasks are given to others. */
const BLOCKED_LOOP_MS = 30_000
const DEAD_AFTER_CRASHES = 3

export function createWorkerMember(options: WorkerMemberOptions): WorkerMember {
  const { leases, store, runtime, leaseMs } = options
  const watch = createLivenessWatch(leaseMs)
  const stopping = new AbortController()
  let id: string | undefined
  let joining: Promise<void> | undefined
  let looking: Promise<void> | undefined
  let known: ReadonlySet<string> = new Set()
  let looks = 0
  let isAsking = true

  async function join(): Promise<void> {
    const member = id ?? runtime.id()
    const work = options.work().toSorted((one, other) => (one.name < other.name ? -1 : 1))
    const label = encodeLabel({
      service: options.service,
      tasks: work.map(({ name }) => name),
      queues: work.map(({ queue }) => queue.name),
    })
    await leases.join(
      { member, group: WORKERS, label, filterEpoch: 0 },
      { everyMs: leaseMs / BEATS_PER_LEASE, aliveWithinMs: BLOCKED_LOOP_MS, alive: options.alive },
    )
    id = member
  }

  async function loop(): Promise<void> {
    let failures = 0
    while (!stopping.signal.aborted) {
      let restMs = SHORTEST_LOOK_MS
      try {
        restMs = await look()
        failures = 0
      } catch (error) {
        if (isMillraceError(error, 'closed')) return
        if (failures++ === 0) options.onError(error)
        isAsking = true
        restMs = SHORTEST_LOOK_MS * Math.min(10, failures + 1)
      }
      await wait(runtime, restMs, stopping.signal)
    }
  }

  /** Whoever holds tasks was a member before: those who are looked at second may be gone, never unknown yet. */
  async function look(): Promise<number> {
    const isAsked = isAsking || looks % LOOKS_PER_HOLDERS === 0
    const holders = isAsked ? await store.holders() : []
    const { members } = await leases.observe(WORKERS)
    looks += 1
    const present = new Set(members.map(({ member }) => member))
    // Whoever expelled it may have died before it had taken its tasks.
    isAsking = [...known].some((member) => !present.has(member))
    known = present
    if (id === undefined || !present.has(id)) await rejoin()
    const seen = watch.look(members, runtime.monotonic())
    const gone = new Set(holders.filter((holder) => !present.has(holder)))
    for (const { member, count } of seen.dead) {
      if (member === id) continue
      await leases.expel(member, count)
      // If it has counted up meanwhile, it lives and keeps what it has: the next look tells.
      isAsking = true
    }
    for (const worker of gone) if (worker !== id) await reclaim(worker)
    if (isAsking) return SHORTEST_LOOK_MS
    return Math.min(leaseMs * LOOK_LEASES, Math.max(seen.dueInMs, SHORTEST_LOOK_MS))
  }

  async function rejoin(): Promise<void> {
    const before = id
    id = undefined
    if (before !== undefined) {
      options.onExpelled(before)
      await leases.leave(before)
    }
    await join()
    options.onRejoined()
  }

  async function reclaim(worker: string): Promise<void> {
    const error = failureOf(
      'task_killed_worker',
      `The process of the worker ended ${DEAD_AFTER_CRASHES} times while it ran this task.`,
    )
    for (let tasks = 0; ;) {
      const taken = await store.reclaim({ worker, deadAfterCrashes: DEAD_AFTER_CRASHES, error })
      tasks += taken
      if (taken > 0) continue
      if (tasks > 0) options.onReclaimed(worker, tasks)
      return
    }
  }

  return {
    get id() {
      return id
    },
    async join() {
      joining ??= join().catch((error: unknown) => {
        joining = undefined
        throw error
      })
      await joining
      looking ??= loop()
    },
    async relabel() {
      if (id !== undefined) await join()
    },
    async leave() {
      stopping.abort()
      await looking
      if (id !== undefined) await leases.leave(id)
      id = undefined
    },
  }
}
