import { randomUUID } from 'node:crypto'
import { MillraceError, type PooledHandler, type TaskContext } from '@millrace/core'
import type { Backend } from './backend.ts'
import { createPlaces } from './places.ts'
import type { PoolOptions } from './pool-options.ts'
import { runInPool } from './run-in-pool.ts'

/** A handler whose work is done in a pool, for `millrace.work`; the worker disposes of it when it has stopped. */
export interface HandlerPool<Data = unknown, Returned = unknown> extends PooledHandler<Data, Returned> {
  readonly concurrency: number
  readonly status: PoolStatus
  /** Ends all threads or processes; what still runs fails with `task_pool_failed`. Idempotent. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface PoolStatus {
  readonly running: number
  /** Tasks that wait for a thread or process. */
  readonly waiting: number
  readonly done: number
  readonly failed: number
}

/** Makes a handler of a pool. `onStray` hears of errors that a task threw after its end, out of a timer or promise that it left behind. */
export function pooledHandler<Data, Returned>(
  open: () => Backend,
  { file, handler: name, size, graceMs, tasksEach, memoryMb }: PoolOptions,
  onStray: (error: Error) => void,
): HandlerPool<Data, Returned> {
  const places = createPlaces(size)
  const lostListeners = new Set<() => void>()
  let backend: Backend | undefined
  let closing: Promise<void> | undefined
  let done = 0
  let failed = 0

  function opened(): Backend {
    if (closing !== undefined) throw new MillraceError('closed', `The pool of ${file} is closed.`)
    if (backend === undefined) {
      backend = open()
      backend.onLost(() => {
        for (const again of lostListeners) again()
      })
    }
    return backend
  }

  async function handle(input: Data, task: TaskContext): Promise<Returned> {
    const leave = await places.take(task.signal)
    try {
      const output = await runInPool({
        backend: opened(),
        order: { run: randomUUID(), file, name, tasksEach, memoryMb, input, task: plainTask(task) },
        task,
        graceMs,
        isClosed: () => closing !== undefined,
        onStray,
        whenLost(again) {
          lostListeners.add(again)
          return () => lostListeners.delete(again)
        },
      })
      done += 1
      return output as Returned
    } catch (error) {
      failed += 1
      throw error
    } finally {
      leave()
    }
  }

  const close = (): Promise<void> => (closing ??= Promise.resolve(backend?.destroy()))
  return Object.defineProperty(
    Object.assign(handle, { concurrency: size, close, [Symbol.asyncDispose]: close }),
    'status',
    { get: (): PoolStatus => ({ running: places.taken, waiting: places.waiting, done, failed }) },
  ) as HandlerPool<Data, Returned>
}

function plainTask(task: TaskContext): Parameters<typeof runInPool>[0]['order']['task'] {
  const { id, name, queue, key, tenant, attempt, metadata, ageMs } = task
  return { id, name, queue, key, tenant, attempt, metadata, ageMs }
}
