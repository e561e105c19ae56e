import { planScale, splitSlots, type ScalePlan, type ScaleSample, type ScaleState } from '@millrace/core'
import { createFleet } from './fleet.ts'
import type { ProcessLoad, QueueLoad } from './load.ts'
import { scaleMetrics, type Scale } from './scale-metrics.ts'
import { resolveSupervision, type SuperviseOptions } from './supervise-options.ts'

/** Worker processes, as many as are needed. */
export interface Supervisor {
  readonly status: SupervisorStatus
  /** The status for Prometheus, with `millrace_workers_wanted` for autoscalers. */
  metrics(): string
  /** Resolves when it has stopped, whoever stopped it. */
  readonly stopped: Promise<void>
  /** Lets all processes finish and waits until they are gone. Idempotent. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface SupervisorStatus extends Scale {
  readonly reason: ScalePlan['reason']
  /** Processes that take work. */
  readonly running: readonly { readonly pid: number | undefined; readonly slots: number; readonly busy: number }[]
  /** Processes that finish what they have. */
  readonly stopping: number
  /** Processes that ended by themselves, so far. */
  readonly crashes: number
}

/** A process is full when so much of its room is taken. */
const FULL_SHARE = 0.8

/**
 * Runs worker processes, more of them and with more concurrency while tasks wait, fewer while they idle. Starts again, with a back-off, what ends by itself; on SIGTERM and
 * SIGINT lets all finish. Throws `config_invalid`.
 *
 * @example
 * const supervisor = supervise({ module: new URL('./worker.ts', import.meta.url), processes: { max: 4 }, concurrency: { max: 20 } })
 * await supervisor.stopped
 */
export function supervise(options: SuperviseOptions): Supervisor {
  const { recipe, processes, concurrency, targets, everyMs, restart } = resolveSupervision(options)
  const { queue, onEvent: tell = () => {}, signals = true, name = 'workers' } = options
  const fleet = createFleet({ recipe, restart, mostEach: concurrency.max, tell })
  const { promise: stopped, resolve: hasStopped } = Promise.withResolvers<void>()
  let state: ScaleState | undefined
  let wanted = splitSlots(targets.min, { processes, concurrency })
  let reason: ScalePlan['reason'] = 'steady'
  let seen: QueueLoad = { backlog: 0, waitMs: 0 }
  let stopping: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  async function decide(): Promise<void> {
    seen = await look()
    if (stopping !== undefined) return
    const plan = planScale(state, sample(), targets)
    const next = splitSlots(plan.wanted, { processes, concurrency })
    const isChange = next.processes !== wanted.processes || next.concurrency !== wanted.concurrency
    ;({ state, reason } = plan)
    wanted = next
    if (isChange) tell({ kind: 'scaled', ...next, reason })
    fleet.resize(wanted)
    timer = setTimeout(() => void decide(), everyMs)
  }

  async function look(): Promise<QueueLoad> {
    if (queue === undefined) return seenByWorkers(fleet.loads())
    try {
      return await queue()
    } catch (error) {
      tell({ kind: 'queue-unknown', message: error instanceof Error ? error.message : String(error) })
      return seenByWorkers(fleet.loads())
    }
  }

  function sample(): ScaleSample {
    const loads = fleet.loads()
    return {
      atMs: performance.now(),
      slots: loads.reduce((sum, load) => sum + load.slots, 0),
      busy: loads.reduce((sum, load) => sum + load.busy, 0),
      ...seen,
      ...(loads.length === 0 ? { done: undefined } : fleet.ended),
    }
  }

  async function stop(): Promise<void> {
    clearTimeout(timer)
    await fleet.stop()
    process.off('SIGTERM', onSignal)
    process.off('SIGINT', onSignal)
    hasStopped()
  }

  const onSignal = (): void => void supervisor.stop()
  const supervisor: Supervisor = {
    get status() {
      const { slots, busy, backlog, waitMs } = sample()
      const running = fleet.working.map(({ pid, load }) => ({ pid, slots: load?.slots ?? 0, busy: load?.busy ?? 0 }))
      const { stopping: leaving, crashes } = fleet
      const asked = { ...wanted, slots: wanted.processes * wanted.concurrency }
      return { wanted: asked, reason, running, stopping: leaving, crashes, slots, busy, backlog, waitMs }
    },
    metrics: () => scaleMetrics(name, supervisor.status),
    stopped,
    stop: () => (stopping ??= stop()),
    [Symbol.asyncDispose]: () => supervisor.stop(),
  }
  if (signals) {
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  }
  fleet.resize(wanted)
  timer = setTimeout(() => void decide(), everyMs)
  return supervisor
}

/**
 * What the waits that workers see say of their queues; how much is there, they cannot know. A worker that idles has nothing new to say of waits.
 */
function seenByWorkers(loads: readonly ProcessLoad[]): QueueLoad {
  const full = loads.filter(({ busy, slots, buffered }) => buffered > 0 || busy >= slots * FULL_SHARE)
  const waitMs = Math.max(0, ...full.map((load) => load.waitMs))
  const buffered = full.reduce((sum, load) => sum + load.buffered, 0)
  return { waitMs, backlog: Math.max(buffered, waitMs > 0 ? 1 : 0) }
}
