import { createFifo } from '../bus/fifo.ts'
import type { TaskSettle } from '../driver/task-store.ts'
import type { HeldTask } from './held-task.ts'
import type { TaskVerdict } from './task-outcome.ts'

/** A claim that has ended here and that the store does not know of yet. */
export interface Settling {
  readonly held: HeldTask
  readonly verdict: TaskVerdict
  /** An exchange with it has failed: it may have been carried out. */
  doubtful: boolean
}

/** What is to be settled, in order. */
export interface SettleQueue {
  readonly length: number
  push(held: HeldTask, verdict: TaskVerdict): void
  /** The next of one worker's, at most 1,000, and no more than an exchange can carry. */
  take(): readonly Settling[]
  /** What was taken and has no answer yet. */
  readonly underWay: ReadonlySet<readonly Settling[]>
  /** What was taken has an answer, or none will come. */
  answered(settlings: readonly Settling[]): void
  /** What was taken and not settled. */
  putBack(settlings: readonly Settling[]): void
  /** Claims as `<starts> <id>`. */
  claims(): Set<string>
}

const MOST_SETTLES = 1_000
/** More would not be through before the call is given up, and then it would be sent again, and again. */
export const MOST_CHARACTERS: number = 4 * 1024 * 1024

export function createSettleQueue(): SettleQueue {
  const queue = createFifo<Settling>()
  const underWay = new Set<readonly Settling[]>()
  let first: Settling[] = []

  return {
    underWay,
    get length() {
      return first.length + queue.length
    },
    push: (held, verdict) => queue.push({ held, verdict, doubtful: false }),
    take() {
      const taken: Settling[] = []
      let worker: string | undefined
      let characters = 0
      while (taken.length < MOST_SETTLES && characters < MOST_CHARACTERS) {
        const next = first.shift() ?? queue.shift()
        if (next === undefined) break
        worker ??= next.held.worker
        if (next.held.worker !== worker) {
          first.unshift(next)
          break
        }
        taken.push(next)
        characters += charactersOf(next)
      }
      if (taken.length > 0) underWay.add(taken)
      return taken
    },
    answered: (settlings) => void underWay.delete(settlings),
    putBack(settlings) {
      first = [...settlings, ...first]
    },
    claims() {
      const waiting = queue.drain()
      for (const each of waiting) queue.push(each)
      return new Set([...first, ...waiting].map(({ held }) => `${held.task.starts} ${held.task.id}`))
    },
  }
}

function charactersOf({ held: { logs }, verdict: { output, error } }: Settling): number {
  let characters = output?.length ?? 0
  if (error !== undefined) characters += error.message.length + (error.stack?.length ?? 0)
  if (logs !== undefined) for (const line of logs) characters += line.length
  return characters
}

/** As the store takes it. */
export function settleOf({ held, verdict }: Settling): TaskSettle {
  const { as, delayMs, output, error } = verdict
  return { id: held.task.id, starts: held.task.starts, as, delayMs, output, error }
}
