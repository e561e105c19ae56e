import { pooledHandler, type HandlerPool } from './pooled-handler.ts'
import { resolvePoolOptions, type HandlerPoolOptions } from './pool-options.ts'
import { strayWarning } from './stray-warning.ts'
import { threadBackend } from './thread-backend.ts'

export interface ThreadPoolOptions extends HandlerPoolOptions {
  /** How many threads, and so how many tasks at once. Default: one for each core. */
  readonly threads?: number
}

/**
 * A handler that does each task in a thread of its own, for work that computes. No thread is started before the first task. Throws `config_invalid`.
 *
 * The memory limit is kept by V8, which may still end the whole process for one huge allocation: where a task must never take its neighbours along,
 * use `processPool`.
 *
 * @example
 * await millrace.work(ResizeImage, threadPool({ file: new URL('./resize.ts', import.meta.url), threads: 2, memoryMb: 256 }))
 */
export function threadPool<Data, Returned>(options: ThreadPoolOptions): HandlerPool<Data, Returned> {
  const resolved = resolvePoolOptions(options, { name: 'threads', value: options.threads })
  return pooledHandler(() => threadBackend(resolved), resolved, strayWarning('thread', resolved.file))
}
