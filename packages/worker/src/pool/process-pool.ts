import { pooledHandler, type HandlerPool } from './pooled-handler.ts'
import { resolvePoolOptions, type HandlerPoolOptions } from './pool-options.ts'
import { processBackend } from './process-backend.ts'
import { strayWarning } from './stray-warning.ts'

export interface ProcessPoolOptions extends HandlerPoolOptions {
  /** How many processes, and so how many tasks at once. Default: one for each core. */
  readonly processes?: number
}

/**
 * A handler that does each task in a process of its own: slower to start than a thread and heavier, but nothing that it does can end its neighbours,
 * native crashes and any way of running out of memory included. Throws `config_invalid`.
 *
 * @example
 * await millrace.work(ConvertVideo, processPool({ file: new URL('./convert.ts', import.meta.url), processes: 2, memoryMb: 1_024 }))
 */
export function processPool<Data, Returned>(options: ProcessPoolOptions): HandlerPool<Data, Returned> {
  const resolved = resolvePoolOptions(options, { name: 'processes', value: options.processes })
  return pooledHandler(() => processBackend(resolved), resolved, strayWarning('process', resolved.file))
}
