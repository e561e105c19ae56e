import { isMillraceError } from '@millrace/core'
import type { Engine } from '@millrace/core/driver'
import {
  checkTaskHistory,
  createCast,
  createWorld,
  simulatedEngine,
  type HistoryEntry,
  type SimulatedProcess,
  type TaskHistoryReport,
} from '@millrace/core/testing'
import { readFinalTasks, unfinishedIn } from '../crash/tasks/judge.ts'
import { createTaskMember, type TaskMember } from '../crash/tasks/member.ts'
import { LEASE_MS, rulesOf, SCHEDULES } from '../crash/tasks/tasks.ts'

/** What happened seldom, counted. */
export type RareTaskPaths = Record<
  | 'reclaimed'
  | 'fenced-settle'
  | 'lost-exchange'
  | 'unknown-enqueue'
  | 'dead'
  | 'cancelled'
  | 'expired'
  | 'deduplicated'
  | 'scheduled'
  | 'poison-found'
  | 'engine-crash-lost-tail',
  number
>

export interface SimulatedTasks {
  readonly traceHash: string
  readonly report: TaskHistoryReport
  readonly rare: RareTaskPaths
  readonly attacks: readonly string[]
  readonly errors: readonly string[]
}

const MEMBERS = 3
const CHAOS_MS = 8_000
/** Tasks are added in the first part of the attacks, by each member about so often. */
const ADDING_MS = 6_400
const ADD_EVERY_MS = 60
const DRAIN_WITHIN_MS = 300_000
const LOOK_EVERY_MS = 100

/** Runs one seed: three processes or more that add tasks of all kinds and work on them, at least four attacks, then healing, draining and the check. */
export async function simulateTasks(
  seed: number,
  { plant = (engine) => engine }: { readonly plant?: (engine: Engine) => Engine } = {},
): Promise<SimulatedTasks> {
  const world = createWorld(seed)
  const random = world.random.fork()
  const engine = simulatedEngine({ world, syncMs: random.pick([0.2, 1, 5]) })
  // A schedule keeps the time of whoever fires it.
  const cast = createCast<TaskMember>({ world, engine, random, chaosMs: CHAOS_MS, skewMs: 500, start })
  const poison = random.chance(0.3) ? random.between(20, 80) * 10 : undefined
  const stackTraceLimit = Error.stackTraceLimit
  let added = 0

  function start(process: SimulatedProcess): TaskMember {
    const member = createTaskMember({
      name: process.name,
      engine: plant(engine.connect(process)),
      runtime: process.runtime,
      leaseMs: LEASE_MS,
      publishTimeoutMs: 1_500,
      record: (entry) => cast.record(process, entry),
      onHandle(n) {
        if (n === poison) cast.kill(process, 200)
      },
      onError(error) {
        if (isMillraceError(error) && (error.retriable || error.code === 'task_lease_lost')) return
        cast.errors.push(`${process.name}: ${String(error)}`)
      },
    })
    member.join().catch((error: unknown) => {
      if (!isMillraceError(error, 'closed')) cast.errors.push(`${process.name} did not join: ${String(error)}`)
    })
    addNext(process, member)
    return member
  }

  function addNext(process: SimulatedProcess, member: TaskMember): void {
    if (world.now > ADDING_MS) return
    process.after(random.between(1, 2 * ADD_EVERY_MS), () => {
      void member.add((added += 1))
      addNext(process, member)
    })
  }

  /** Lets time pass until every task has ended; says so when that takes too long. */
  async function drain(): Promise<string | undefined> {
    let left = Infinity
    let looking = true
    const look = (): void => {
      if (!looking) return
      const { taskAdmin, schedules } = engine.driver.stores
      for (const name of Object.keys(SCHEDULES)) void schedules?.remove(name)
      void taskAdmin?.queues().then((queues) => (left = queues.reduce((sum, queue) => sum + unfinishedIn(queue), 0)))
      world.after(LOOK_EVERY_MS, look)
    }
    look()
    const ended = await world.run(() => left === 0, DRAIN_WITHIN_MS)
    looking = false
    return ended ? undefined : `After the faults ${left} tasks did not end.`
  }

  // Simulated failures are many, and nobody reads where they were made.
  Error.stackTraceLimit = 0
  try {
    await cast.play(MEMBERS)
    await cast.calm()
    const stuck = (await drain()) ?? (await cast.closeAll())
    const report = checkTaskHistory(cast.history, await readFinalTasks(engine.driver), rulesOf(0))
    const violations =
      stuck === undefined
        ? report.violations
        : [...report.violations, { property: 'not-drained', text: stuck } as const]
    return {
      traceHash: world.traceHash,
      report: { ...report, violations },
      rare: { ...rareIn(cast.history, report), 'engine-crash-lost-tail': cast.lostTails },
      attacks: cast.attacks,
      errors: cast.errors,
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

function rareIn(
  history: readonly HistoryEntry[],
  { counts }: TaskHistoryReport,
): Omit<RareTaskPaths, 'engine-crash-lost-tail'> {
  let unknown = 0
  let exchanges = 0
  let poisoned = 0
  for (const entry of history) {
    if (entry.kind === 'enqueue' && entry.phase === 'info') unknown += 1
    else if (entry.kind === 'exchange') {
      exchanges += entry.phase === 'invoke' ? 1 : -1
      if (entry.phase === 'ok') poisoned += entry.claimed.filter(({ crashes }) => crashes > 1).length
    }
  }
  const { reclaimed, fenced, dead, cancelled, expired, deduplicated, scheduled } = counts
  return {
    reclaimed,
    'fenced-settle': fenced,
    'lost-exchange': exchanges,
    'unknown-enqueue': unknown,
    dead,
    cancelled,
    expired,
    deduplicated,
    scheduled,
    'poison-found': poisoned,
  }
}
