import type { Target } from '../bus/targets.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { circuitOpen, createCircuit, type Circuit } from './circuit.ts'
import type { OperationSettings, OperationStatus, RouteReason } from './operation.ts'
import { chooseRoute, isRolledOut, judgeWait, type Route, type Slowness } from './route.ts'

/** What is known of the queue of an operation, and where its calls go for it. */
export interface QueueWatch {
  readonly circuit: Circuit
  routeOf(key: string | undefined): Route
  /** The error of a call that may neither go to the queue nor run here. */
  refusal(reason: RouteReason): Error
  readonly status: Pick<OperationStatus, 'route' | 'circuit' | 'queue'>
  /** Looks at the wait of the queue, where a setting asks for it. Never rejects. */
  look(): Promise<void>
}

/** Watches the queue of one operation, and tells the log when its calls go elsewhere. */
export function createQueueWatch({
  name,
  target,
  settings,
  runtime,
  bounds,
}: {
  readonly name: string
  readonly target: () => Target
  readonly settings: () => OperationSettings
  readonly runtime: Runtime
  readonly bounds: {
    readonly failures: number
    readonly retryMs: number
    readonly maxRetryMs: number
    readonly startTimeoutMs: number
  }
}): QueueWatch {
  const begunAt = runtime.now()
  let slowness: Slowness = { isSlow: false, quickLooks: 0 }
  let waitMs: number | undefined
  let slowSince = begunAt
  let shown: (Route & { readonly since: number }) | undefined
  const circuit = createCircuit({
    runtime,
    ...bounds,
    probeTimeoutMs: bounds.startTimeoutMs,
    probe: async () => target().waitMs(),
    onChange: () => void show(),
  })

  function choose(rolledOut: boolean): Route {
    return chooseRoute({
      settings: settings(),
      isRolledOut: rolledOut,
      isDown: !circuit.lets,
      isSlow: slowness.isSlow,
    })
  }

  /** The route of calls that are rolled out, since when; the log hears of it when it changes by itself. */
  function show(): Route & { readonly since: number } {
    const route = choose(settings().rollout > 0)
    if (shown !== undefined && route.to === shown.to && route.reason === shown.reason) return shown
    const facts = { operation: name, to: route.to, reason: route.reason }
    if (route.reason.startsWith('queue-')) runtime.log.warn('calls of the operation do not go to its queue', facts)
    else if (shown?.reason.startsWith('queue-') === true)
      runtime.log.info('calls of the operation go where they should again', facts)
    shown = { ...route, since: runtime.now() }
    return shown
  }

  async function look(): Promise<void> {
    const { mode, maxWaitMs } = settings()
    const { isSlow } = slowness
    waitMs = mode === 'auto' && maxWaitMs !== undefined ? await waitOf(target) : undefined
    if (mode !== 'auto' || maxWaitMs === undefined) slowness = { isSlow: false, quickLooks: 0 }
    else if (waitMs !== undefined) slowness = judgeWait(slowness, waitMs, maxWaitMs)
    if (slowness.isSlow !== isSlow) slowSince = runtime.now()
    show()
  }

  return {
    circuit,
    routeOf: (key) => choose(isRolledOut(name, key, { percent: settings().rollout, draw: runtime.random() })),
    refusal: (reason) =>
      circuitOpen(
        reason === 'queue-slow'
          ? `what waits there longest has waited ${Math.round(waitMs ?? 0)} ms`
          : circuit.status.reason,
      ),
    get status() {
      const { to, reason, since } = show()
      return {
        route: { to, reason, since: new Date(since).toISOString() },
        circuit: circuit.status,
        queue: { waitMs, isSlow: slowness.isSlow, since: new Date(slowSince).toISOString() },
      }
    },
    look,
  }
}

/** Undefined where nobody can say: whether the queue is down is for the circuit to find out. */
async function waitOf(target: () => Target): Promise<number | undefined> {
  try {
    return await target().waitMs()
  } catch {
    return undefined
  }
}
