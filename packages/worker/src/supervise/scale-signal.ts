import {
  planScale,
  splitSlots,
  type Millrace,
  type ScalePlan,
  type ScaleState,
  type ScaleTargets,
} from '@millrace/core'
import type { QueueLoad } from './load.ts'
import { scaleMetrics, type Scale } from './scale-metrics.ts'

/** What is looked at of a backbone. */
export type QueuesOf = { readonly queues: Pick<Millrace['queues'], 'list'> }

export interface ScaleSignalOptions {
  readonly queues: readonly string[]
  /** How many worker processes there may be. `min` may be 0. */
  readonly processes: { readonly min: number; readonly max: number }
  /** How many tasks each does at once. */
  readonly concurrency: number
  /** How many worker processes there are now, such as `async () => (await millrace.tasks.workers()).length`. */
  readonly running: () => Promise<number>
  readonly scaling?: Omit<ScaleTargets, 'min' | 'max'>
  readonly name?: string
}

/** The number of wanted worker processes, for an autoscaler that starts them itself. */
export interface ScaleSignal {
  /** Looks and decides. Call it in even steps, such as each time that it is scraped. Throws `engine_*`. */
  read(): Promise<Scale & { readonly reason: ScalePlan['reason'] }>
  /** Reads, and gives Prometheus' text. */
  metrics(): Promise<string>
}

/**
 * The decision of `supervise` as a number, from the queues alone: for KEDA, a horizontal pod autoscaler, or anything else that starts and stops workers.
 */
export function scaleSignal(millrace: QueuesOf, options: ScaleSignalOptions): ScaleSignal {
  const { queues, processes, concurrency, running, scaling, name = queues.join(',') } = options
  const targets = { ...scaling, min: processes.min * concurrency, max: processes.max * concurrency }
  const range = { min: concurrency, max: concurrency }
  let state: ScaleState | undefined

  async function read(): Promise<Scale & { readonly reason: ScalePlan['reason'] }> {
    const [load, count] = await Promise.all([fullLoad(millrace, queues), running()])
    const slots = count * concurrency
    const plan = planScale(state, { atMs: performance.now(), slots, ...load, done: undefined }, targets)
    ;({ state } = plan)
    const wanted = splitSlots(plan.wanted, { processes, concurrency: range })
    return { wanted: { ...wanted, slots: plan.wanted }, slots, ...load, reason: plan.reason }
  }

  return { read, metrics: async () => scaleMetrics(name, await read()) }
}

/** What `supervise` asks for as `queue`: how much is ready in these queues of a backbone, and how long it has waited. */
export function queueLoad(millrace: QueuesOf, queues: readonly string[]): () => Promise<QueueLoad> {
  return async () => {
    const { backlog, waitMs } = await fullLoad(millrace, queues)
    return { backlog, waitMs }
  }
}

async function fullLoad(
  { queues }: QueuesOf,
  names: readonly string[],
): Promise<QueueLoad & { readonly busy: number }> {
  const found = (await queues.list()).filter(({ name }) => names.includes(name))
  const sum = (value: (queue: (typeof found)[number]) => number): number =>
    found.reduce((total, queue) => total + value(queue), 0)
  return {
    // A paused queue gives nothing, however many workers there are.
    backlog: sum(({ counts, paused }) => (paused ? 0 : counts.ready + counts.suspect)),
    waitMs: Math.max(0, ...found.map(({ oldestReadyMs, paused }) => (paused ? 0 : (oldestReadyMs ?? 0)))),
    busy: sum(({ counts }) => counts.running),
  }
}
