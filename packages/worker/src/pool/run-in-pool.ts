import { MillraceError, type TaskContext } from '@millrace/core'
import { abortReason } from './abort-reason.ts'
import type { Backend } from './backend.ts'
import { errorFrom, plainError, type FromHandler, type HandlerOrder } from './messages.ts'

/** What one run needs beside its place. */
export interface PoolRun {
  readonly backend: Backend
  readonly order: HandlerOrder
  readonly task: TaskContext
  readonly graceMs: number
  readonly isClosed: () => boolean
  /** An error that an earlier task of the same place left behind. */
  readonly onStray: (error: Error) => void
  /** Called with what begins the run again when a place without a run was lost; returns what stops that. */
  readonly whenLost: (again: () => void) => () => void
}

/** How often a run whose place was lost before it had begun is given another one. */
const MOST_STARTS = 3

/**
 * Runs a handler in a place of the pool. Resolves with what it returns and rejects with what it throws. When the place ends under it: `task_pool_failed`.
 * When the signal of the task fires, the handler hears of it and has `graceMs`; then its place is ended, and the promise rejects with the reason of the
 * signal.
 */
export function runInPool(run: PoolRun): Promise<unknown> {
  const { backend, order, task, graceMs } = run
  if (task.signal.aborted) return Promise.reject(abortReason(task.signal))
  return new Promise((resolve, reject) => {
    let kill = new AbortController()
    let started: ReturnType<Backend['start']>
    let hasBegun = false
    let isOver = false
    let starts = 0
    let grace: NodeJS.Timeout | undefined

    function start(): void {
      starts += 1
      const mine = new AbortController()
      kill = mine
      started = backend.start(order, { kill: mine.signal, onMessage: (message) => hear(message) })
      const gone = (error: unknown): void => {
        if (mine === kill) lost(error)
      }
      started.ended.then(() => gone(new Error('it ended without a result')), gone)
    }

    function lost(error: unknown): void {
      if (isOver) return
      if (!hasBegun && starts < MOST_STARTS && !task.signal.aborted && !run.isClosed()) {
        kill.abort()
        return start()
      }
      over(() => reject(poolFailed(backend.kind, order, error)), true)
    }

    function hear(message: FromHandler): void {
      if (isOver || message.run !== order.run) return
      if (message.say === 'begun') hasBegun = true
      else if (message.say === 'stray') run.onStray(errorFrom(message.error))
      else if (message.say === 'children') void answer()
      else if (message.say === 'news') {
        if (message.progress !== undefined) task.progress(message.progress)
        for (const line of message.log) task.log(line)
      } else if (message.say === 'done') over(() => resolve(message.output), message.worn)
      else over(() => reject(errorFrom(message.error)), message.worn)
    }

    async function answer(): Promise<void> {
      const [results, error] = await task.children().then(
        (children) => [children, undefined] as const,
        (thrown: unknown) => [undefined, plainError(thrown)] as const,
      )
      if (!isOver) started.post({ run: order.run, say: 'children', results, error })
    }

    function abort(): void {
      started.post({ run: order.run, say: 'abort', reason: plainError(task.signal.reason) })
      grace = setTimeout(() => over(() => reject(abortReason(task.signal)), true), graceMs)
    }

    /** `then` settles when the place is free again or ended, so that nobody is given it while it is in use. */
    function over(settle: () => void, isWorn: boolean): void {
      isOver = true
      clearTimeout(grace)
      stopListening()
      task.signal.removeEventListener('abort', abort)
      const { ended } = started
      if (isWorn) kill.abort()
      void ended.then(settle, settle)
    }

    const stopListening = run.whenLost(() => !hasBegun && lost(new Error('its place could not come up')))
    start()
    task.signal.addEventListener('abort', abort, { once: true })
  })
}

function poolFailed(kind: 'thread' | 'process', { task }: HandlerOrder, cause: unknown): MillraceError {
  const { message, code } = plainError(cause)
  const why =
    code === 'ERR_WORKER_OUT_OF_MEMORY'
      ? 'it used more memory than it may. Give it less to do at once, or raise memoryMb'
      : `${message.replace(/\.$/, '')}. Look for process.exit, native code that fails, or memory`
  return new MillraceError(
    'task_pool_failed',
    `The ${kind} that ran the task "${task.name}" (${task.id}) ended: ${why}.`,
    { cause, retriable: true, facts: { kind, ...(code !== undefined && { reason: code }) } },
  )
}
