import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { MillraceError, type ScaleTargets } from '@millrace/core'
import { unknownOption } from '../unknown-option.ts'
import type { QueueLoad } from './load.ts'
import type { ProcessRecipe } from './worker-process.ts'

/** Options of `supervise`. */
export interface SuperviseOptions {
  /** The module of a worker process, run by this Node with its own options. It calls `supervised`. */
  readonly module?: URL | string
  /** Or the command of one: `['millrace', 'worker']`. */
  readonly command?: readonly [string, ...string[]]
  readonly args?: readonly string[]
  /** Environment variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>>
  /** How many processes. Default 1 to one for each core. */
  readonly processes?: { readonly min?: number; readonly max?: number }
  /** How many tasks at once in each. Default 1 to 10. */
  readonly concurrency?: { readonly min?: number; readonly max?: number }
  /** What is wanted of the scaling. */
  readonly scaling?: Omit<ScaleTargets, 'min' | 'max'>
  /** What the queues say, such as `queueLoad(millrace, ['reports'])`. Default: what the workers say of the waits they see. */
  readonly queue?: () => Promise<QueueLoad>
  /** Milliseconds between decisions. Default 1,000. */
  readonly everyMs?: number
  /** Milliseconds that a process has to finish before it is killed. Default 30,000. */
  readonly stopTimeoutMs?: number
  /** Milliseconds before a process that ended by itself is started again: at first (default 500), doubling, at most (default 30,000). */
  readonly restart?: { readonly first?: number; readonly ceiling?: number }
  /** Stops on SIGTERM and SIGINT. Default true. */
  readonly signals?: boolean
  /** The name in metrics. Default `workers`. */
  readonly name?: string
  readonly onEvent?: (event: SupervisorEvent) => void
}

/** What a supervisor did, for logs. */
export type SupervisorEvent =
  | { readonly kind: 'started'; readonly pid: number | undefined }
  | {
      readonly kind: 'stopped'
      readonly pid: number | undefined
      readonly code: number | null
      readonly signal: string | null
    }
  | {
      readonly kind: 'crashed'
      readonly pid: number | undefined
      readonly code: number | null
      readonly signal: string | null
      readonly message: string | undefined
      readonly restartInMs: number
    }
  | { readonly kind: 'scaled'; readonly processes: number; readonly concurrency: number; readonly reason: string }
  | { readonly kind: 'queue-unknown'; readonly message: string }

/** The options with their defaults. */
export interface ResolvedSupervision {
  readonly recipe: ProcessRecipe
  readonly processes: { readonly min: number; readonly max: number }
  readonly concurrency: { readonly min: number; readonly max: number }
  readonly targets: ScaleTargets
  readonly everyMs: number
  readonly restart: { readonly first: number; readonly factor: number; readonly ceiling: number }
}

const OPTIONS: readonly string[] = [
  ...(['module', 'command', 'args', 'env', 'processes', 'concurrency', 'scaling', 'queue', 'everyMs'] as const),
  ...(['stopTimeoutMs', 'restart', 'signals', 'name', 'onEvent'] as const),
] satisfies (keyof SuperviseOptions)[]

/** Throws `config_invalid`. */
export function resolveSupervision(options: SuperviseOptions): ResolvedSupervision {
  checkNames(options)
  const { module, command, args = [], env = {}, scaling = {}, everyMs = 1_000, stopTimeoutMs = 30_000 } = options
  if ((module === undefined) === (command === undefined)) throw invalid('module', 'give either "module" or "command"')
  const cores = availableParallelism()
  const processes = rangeOf('processes', options.processes, {
    min: 1,
    max: Math.max(cores, options.processes?.min ?? 1),
  })
  const concurrency = rangeOf('concurrency', options.concurrency, {
    min: 1,
    max: Math.max(10, options.concurrency?.min ?? 1),
  })
  if (concurrency.min < 1) throw invalid('concurrency', 'each process needs room for one task')
  const { first = 500, ceiling = 30_000 } = options.restart ?? {}
  for (const [path, value] of Object.entries({ everyMs, stopTimeoutMs, first, ceiling })) {
    if (!(value >= 1 && value < 2 ** 31))
      throw invalid(path, `${path} is ${value}; it must be a number of milliseconds from 1`)
  }
  return {
    recipe: {
      start: module === undefined ? { command: command ?? [''] } : { module: pathOf(module) },
      args,
      env,
      stopTimeoutMs,
    },
    processes,
    concurrency,
    targets: { ...scaling, min: processes.min * concurrency.min, max: processes.max * concurrency.max },
    everyMs,
    restart: { first, factor: 2, ceiling },
  }
}

function checkNames(options: SuperviseOptions): void {
  const unknown = unknownOption(options, OPTIONS)
  if (unknown !== undefined) throw invalid(unknown.name, unknown.what)
}

function pathOf(module: URL | string): string {
  if (typeof module === 'string' && !module.startsWith('file:')) return module
  return fileURLToPath(module)
}

function rangeOf(
  path: string,
  given: { readonly min?: number; readonly max?: number } | undefined,
  defaults: { readonly min: number; readonly max: number },
): { readonly min: number; readonly max: number } {
  const { min, max } = { ...defaults, ...given }
  if (Number.isSafeInteger(min) && Number.isSafeInteger(max) && min >= 0 && max >= 1 && min <= max) return { min, max }
  throw invalid(
    path,
    `${path} goes from ${min} to ${max}; both must be whole numbers, the second at least 1 and not below the first`,
  )
}

function invalid(path: string, what: string): MillraceError {
  return new MillraceError('config_invalid', `Workers cannot be supervised: ${what}.`, { path })
}
