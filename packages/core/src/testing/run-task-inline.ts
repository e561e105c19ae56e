import { isMillraceError } from '../runtime/error.ts'
import { DEFAULT_LIMITS } from '../contract/limits.ts'
import { checkInput } from '../tasks/check-input.ts'
import { holdTask } from '../tasks/held-task.ts'
import type { Progress } from '../tasks/progress.ts'
import { progressOf, type ProgressState } from '../tasks/progress-state.ts'
import { LazyTaskContext } from '../tasks/task-context.ts'
import type { AnyTaskDefinition, TaskData, TaskInput, TaskOutput, TaskReturned } from '../tasks/task-definition.ts'
import type { ChildResult } from '../tasks/task-flow.ts'
import type { TaskHandler, TaskMetadata } from '../tasks/task-handler.ts'
import { judgeTask } from '../tasks/task-outcome.ts'

/** What one attempt of a handler came to. */
export interface InlineRun<Output = unknown> {
  /** `retry` and `dead` as a worker would have decided. */
  readonly state: 'done' | 'retry' | 'dead' | 'cancelled'
  readonly output: Output | undefined
  readonly error: { readonly code: string; readonly message: string } | undefined
  /** Milliseconds until the next attempt. */
  readonly retryAfterMs: number | undefined
  /** Each that was reported, in order. */
  readonly progress: readonly Progress[]
  readonly logs: readonly string[]
}

export interface InlineOptions {
  /** Default 1. */
  readonly attempt?: number
  readonly id?: string
  readonly key?: string
  readonly tenant?: string
  readonly metadata?: TaskMetadata
  /** What `children` gives. */
  readonly children?: readonly ChildResult[]
  /** Fires the signal that the handler sees. */
  readonly signal?: AbortSignal
}

/**
 * Runs one attempt of a handler here and now, without engine, worker or clock: the input is checked as `enqueue` does and the result
 * judged as a worker does. Throws `task_input_invalid`.
 *
 * @example
 * const { output, progress } = await runTaskInline(BuildReport, buildReport, { month: '2026-01' })
 */
export async function runTaskInline<Definition extends AnyTaskDefinition>(
  definition: Definition,
  handler: TaskHandler<TaskData<Definition>, TaskReturned<Definition>>,
  input: TaskInput<Definition>,
  options: InlineOptions = {},
): Promise<InlineRun<TaskOutput<Definition>>> {
  const { attempt = 1, id = 'inline', children = [] } = options
  const data: unknown = checkInput(definition, input)
  const held = holdTask(
    {
      id,
      queue: definition.queue.name,
      name: definition.name,
      body: '',
      key: options.key ?? definition.keyOf(data),
      tenant: options.tenant ?? definition.tenantOf(data),
      starts: attempt,
      attempts: attempt - 1,
      crashes: 0,
      ageMs: 0,
      waitedMs: 0,
      expiresInMs: undefined,
      hasChildren: children.length > 0,
    },
    { definition, worker: 'inline', now: 0 },
  )
  held.body = { input: data, metadata: options.metadata ?? { correlationId: id } }
  const progress: Progress[] = []
  let last: ProgressState | undefined
  let reports = 0
  const context = new LazyTaskContext(data, held, {
    // A report is a second of the time that this run pretends to take.
    now: () => reports * 1_000,
    note(noted) {
      reports += 1
      if (noted.progress === undefined || noted.progress === last) return
      last = noted.progress
      progress.push(progressOf(last, new Date(0).toISOString()))
    },
    children: () => Promise.resolve(children),
  })
  followSignal(held, context, options.signal)
  const verdict = await attemptOf(() => handler(data as TaskData<Definition>, context))
  const { as, delayMs, output, error } = judgeTask(
    verdict,
    { definition, retries: definition.retries, attempt, cancelled: held.cancelled, limits: DEFAULT_LIMITS },
    1,
  )
  return {
    state: as as InlineRun['state'],
    output: output === undefined ? undefined : (JSON.parse(output) as TaskOutput<Definition>),
    error: error === undefined ? undefined : { code: error.code, message: error.message },
    retryAfterMs: as === 'retry' ? delayMs : undefined,
    progress,
    logs: held.logs ?? [],
  }
}

function followSignal(
  held: ReturnType<typeof holdTask>,
  context: LazyTaskContext,
  signal: AbortSignal | undefined,
): void {
  if (signal === undefined) return
  const abort = (): void => {
    held.cancelled = isMillraceError(signal.reason, 'task_cancelled')
    held.endReason = signal.reason
    held.controller?.abort(signal.reason)
  }
  // So that there is a signal to fire, whenever the handler asks for it.
  void context.signal
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
}

async function attemptOf(run: () => unknown): Promise<Parameters<typeof judgeTask>[0]> {
  try {
    return { ok: true, result: await run() }
  } catch (error) {
    return { ok: false, error }
  }
}
