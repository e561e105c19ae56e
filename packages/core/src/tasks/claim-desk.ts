import type { ClaimedTask, TaskClaim, TaskExchanged } from '../driver/task-store.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { planClaims } from './claim-plan.ts'
import { holdTask, type HeldTask } from './held-task.ts'
import { RELEASED, type TaskVerdict } from './task-outcome.ts'
import type { WorkerLine } from './worker-line.ts'

/** Decides what is claimed for the lines of the process, and hands out what comes. */
export interface ClaimDesk {
  /** Whether any line could take more now. */
  readonly isHungry: boolean
  /** When the next line may be given something; Infinity when none wants anything. */
  readonly dueAt: number
  /**
   * Claims for all lines that could take more, those with them that are due within `soonMs`; until `close` nothing is claimed
   * twice for the same room.
   */
  open(soonMs: number): OpenClaims
  /** Something of this queue is to be settled: a place may become free, which the claims of the same exchange see. */
  freed(queue: string): void
  /** A held task has come to its end. */
  ended(held: HeldTask): void
  /** A claim may give something now: of these queues, or of all. */
  hint(queues?: Iterable<string>): void
}

export interface OpenClaims {
  readonly claims: readonly TaskClaim[]
  /** How many tasks are asked for. */
  readonly wanted: number
  /** The exchange is over; `claimed` is undefined when it failed. */
  close(claimed: TaskExchanged['claimed'] | undefined, worker: string): void
}

export interface ClaimDeskOptions {
  readonly lines: ReadonlyMap<string, WorkerLine>
  readonly runtime: Runtime
  /** Milliseconds after which claims are tried again although nothing was heard. */
  readonly backstopMs: () => number
  readonly settle: (held: HeldTask, verdict: TaskVerdict) => void
}

/** For whom an answer is, and at which moment it was asked for. */
interface Claimant {
  readonly worker: string
  readonly opened: number
  /** Several suspects have come together. */
  readonly several: boolean
}

const SHORTEST_REST_MS = 5
/** Until a suspect that there was no room for is claimed again. */
const SURPLUS: TaskVerdict = { ...RELEASED, delayMs: 100 }

export function createClaimDesk({ lines, runtime, backstopMs, settle }: ClaimDeskOptions): ClaimDesk {
  const freed = new Set<string>()
  /** Suspects in this process. Never more than one: should it end the process, no other is blamed with it. */
  let suspects = 0
  /** Exchanges under way that may bring a suspect, and whether another was opened meanwhile, which may not. */
  let expecting = 0
  let isMissing = false
  /** The queue that may give a suspect, where several had one. Undefined: any. */
  let suspected: string | undefined
  /** Counts openings and hints. */
  let moment = 0
  /** The last hint of each line, or the opening of its last answer. */
  const heardAt = new WeakMap<WorkerLine, number>()

  function hungry(soonMs: number): readonly WorkerLine[] {
    const now = runtime.monotonic() + soonMs
    const found: WorkerLine[] = []
    for (const line of lines.values()) {
      const isDue = line.dueAt <= now || freed.has(line.definition.queue.name)
      if (isDue && line.wanted() > 0) found.push(line)
    }
    return found
  }

  function hint(queues?: Iterable<string>): void {
    const only = queues === undefined ? undefined : new Set(queues)
    moment += 1
    for (const line of lines.values()) {
      if (only?.has(line.definition.queue.name) === false) continue
      line.dueAt = 0
      heardAt.set(line, moment)
    }
  }

  function handOut(claim: TaskClaim, answer: TaskExchanged['claimed'][number] | undefined, to: Claimant): void {
    const { opened } = to
    const { tasks, nextMs } = answer ?? { tasks: [], nextMs: undefined }
    const now = runtime.monotonic()
    const restMs = nextMs === undefined ? backstopMs() : Math.min(nextMs, backstopMs())
    for (const name of claim.names) {
      const line = lines.get(name)
      if (line === undefined) continue
      if (tasks.length >= claim.limit) line.dueAt = now
      // What was heard since the opening is newer than this answer.
      else if ((heardAt.get(line) ?? 0) <= opened) line.dueAt = now + Math.max(SHORTEST_REST_MS, restMs)
      heardAt.set(line, Math.max(opened, heardAt.get(line) ?? 0))
      const own = claim.names.length === 1 ? tasks : tasks.filter((task) => task.name === name)
      if (own.length > 0) line.take(withoutSurplus(own, line, to), to.worker)
    }
  }

  /** What there is no room for is given back; nothing of it has begun, so that nothing can have ended the process. */
  function withoutSurplus(tasks: readonly ClaimedTask[], line: WorkerLine, to: Claimant): readonly ClaimedTask[] {
    if (tasks.every((task) => task.crashes === 0)) return tasks
    return tasks.filter((task) => {
      if (task.crashes === 0) return true
      suspects += 1
      if (suspects === 1 && !to.several) return true
      const held = holdTask(task, { definition: line.definition, worker: to.worker, now: runtime.monotonic() })
      settle(held, to.several ? RELEASED : SURPLUS)
      return false
    })
  }

  /** Whether the queues have given more than one suspect together: the next time only one of them is asked for any. */
  function isSeveral(claimed: TaskExchanged['claimed']): boolean {
    const found = claimed.flatMap(({ tasks }) => tasks).filter(({ crashes }) => crashes > 0)
    suspected = found.length > 1 ? found[0]?.queue : found.length === 1 ? suspected : undefined
    return found.length > 1
  }

  return {
    get isHungry() {
      return hungry(0).length > 0
    },
    get dueAt() {
      let at = Number.POSITIVE_INFINITY
      for (const line of lines.values()) if (line.dueAt < at && line.wanted() > 0) at = line.dueAt
      return at
    },
    open(soonMs) {
      const asking = hungry(soonMs)
      const appetites = asking.map((line) => ({
        queue: line.definition.queue.name,
        name: line.definition.name,
        wanted: line.wanted(),
      }))
      const mayBring = suspects === 0 && expecting === 0
      const claims = planClaims(appetites, { suspects: mayBring ? 1 : 0, suspected })
      if (mayBring) expecting += 1
      else if (suspects === 0) isMissing = true
      asking.forEach((line, at) => (line.reserved += appetites[at]?.wanted ?? 0))
      freed.clear()
      const opened = (moment += 1)
      return {
        claims,
        wanted: appetites.reduce((sum, { wanted }) => sum + wanted, 0),
        close(claimed, worker) {
          asking.forEach((line, at) => (line.reserved -= appetites[at]?.wanted ?? 0))
          if (mayBring) expecting -= 1
          if (claimed === undefined) return asking.forEach((line) => line.claimSize.unanswered())
          const before = suspected
          const several = mayBring && isSeveral(claimed)
          claims.forEach((claim, at) => handOut(claim, claimed[at], { worker, opened, several }))
          if (!mayBring || suspects > 0) return
          // Others were not asked for theirs.
          if (isMissing || (before !== undefined && suspected === undefined)) hint()
          isMissing = false
        },
      }
    },
    freed: (queue) => void freed.add(queue),
    ended({ task }) {
      if (task.crashes === 0) return
      suspects -= 1
      if (suspects === 0) hint()
    },
    hint,
  }
}
