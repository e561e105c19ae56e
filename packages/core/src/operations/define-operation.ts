import type { Target } from '../bus/targets.ts'
import { throwIfAborted } from '../runtime/abort.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { checkOperation } from './check-operation.ts'
import { createDoubts } from './doubts.ts'
import { createMeasure } from './measure.ts'
import type {
  CallOptions,
  Operation,
  OperationCall,
  OperationOptions,
  OperationSettings,
  OperationTask,
  OperationView,
  RunContext,
} from './operation.ts'
import { createQueueWatch } from './queue-watch.ts'
import { createRunsAsTask } from './runs-as-task.ts'
import { createRunsHere } from './runs-here.ts'
import type { SomeSettings } from './settings.ts'

/** What an operation needs of its surroundings. */
export interface Surroundings {
  readonly millrace: string
  readonly runtime: Runtime
  readonly target: () => Target
  /** Resolves when the settings were looked at, or that takes too long. */
  readonly loaded: () => Promise<void>
  /** The settings that hold, and who says so. */
  readonly view: (code: SomeSettings) => OperationView & { readonly settings: OperationSettings }
  readonly change: Operation['change']
}

/** An operation, and what its surroundings do with it. */
export interface DefinedOperation {
  readonly operation: Operation
  /** Looks at its queue. Never rejects. */
  look(): Promise<void>
  close(): void
}

/** Work that runs here or as a task. Throws `operation_invalid`. */
export function defineOperation(
  name: string,
  options: OperationOptions<OperationTask>,
  { millrace, runtime, target, loaded, view, change }: Surroundings,
): DefinedOperation {
  const resolved = checkOperation(name, options)
  const { isIdempotent, startTimeoutMs } = resolved
  const definedAt = new Date(runtime.now()).toISOString()
  const run = options.run as (input: unknown, context: RunContext) => unknown
  const settings = (): OperationSettings => view(resolved.settings).settings
  const doubts = createDoubts()
  const measure = createMeasure({ millrace, operation: name, runtime })
  const watch = createQueueWatch({ name, target, settings, runtime, bounds: resolved })
  const here = createRunsHere({ name, run, limits: resolved, isIdempotent, target, doubts, measure, runtime })
  const { circuit } = watch
  const asTask = createRunsAsTask({
    name,
    target,
    circuit,
    settings,
    isIdempotent,
    startTimeoutMs,
    here,
    doubts,
    measure,
    runtime,
  })

  async function start(input: unknown, call: CallOptions = {}): Promise<OperationCall> {
    throwIfAborted(call.signal)
    await loaded()
    throwIfAborted(call.signal)
    const { to, reason } = watch.routeOf(call.key)
    if (to === 'fail') throw watch.refusal(reason)
    const begun = { id: call.id ?? runtime.id(), reason, call }
    return to === 'async' ? asTask.begin(input, begun) : here.begin(input, begun)
  }

  const operation: Operation = {
    name,
    start,
    async run(input, { timeout, ...call } = {}) {
      const { result } = await start(input, call)
      return result({
        ...(timeout !== undefined && { timeout }),
        ...(call.signal !== undefined && { signal: call.signal }),
      })
    },
    result: (id, how) => target().result(id, how),
    get status() {
      return {
        ...view(resolved.settings),
        task: options.task.name,
        ...watch.status,
        here: here.status,
        comparison: { since: definedAt, ...measure.figures },
      }
    },
    change,
  }
  return { operation, look: watch.look, close: () => circuit.close() }
}
