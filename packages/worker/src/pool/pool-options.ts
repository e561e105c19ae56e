import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isAbsolute } from 'node:path'
import { MillraceError } from '@millrace/core'
import { unknownOption } from '../unknown-option.ts'

/** What both kinds of pools are told. */
export interface HandlerPoolOptions {
  /** The module of the handler, TypeScript or JavaScript: `new URL('./resize.ts', import.meta.url)`, or an absolute path. */
  readonly file: URL | string
  /** The name of its export. Default `default`. */
  readonly handler?: string
  /** MiB that one task may use: of heap, and in processes of all memory (64 MiB more for what Node needs itself). Default: no limit beside that of Node. */
  readonly memoryMb?: number
  /** Milliseconds that a handler has to end after its signal has fired, before its thread or process is ended. Default 1,000. */
  readonly graceMs?: number
  /** Milliseconds after which a thread or process without work ends. Default 30,000. */
  readonly idleMs?: number
  /** Tasks after which a thread or process is replaced, against handlers that leak; 1 gives each task its own. Default: never. */
  readonly tasksEach?: number
  /** Environment variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>>
}

/** The options with their defaults. */
export interface PoolOptions {
  readonly file: string
  readonly handler: string
  readonly size: number
  readonly memoryMb: number | undefined
  readonly graceMs: number
  readonly idleMs: number
  readonly tasksEach: number
  readonly env: Readonly<Record<string, string>> | undefined
}

const OPTIONS = [
  'file',
  'handler',
  'memoryMb',
  'graceMs',
  'idleMs',
  'tasksEach',
  'env',
] satisfies (keyof HandlerPoolOptions)[]

/** Throws `config_invalid`. */
export function resolvePoolOptions(
  options: HandlerPoolOptions,
  size: { readonly name: 'threads' | 'processes'; readonly value: number | undefined },
): PoolOptions {
  const unknown = unknownOption(options, [...OPTIONS, size.name])
  if (unknown !== undefined) throw invalid(unknown.name, unknown.what)
  const { handler = 'default', memoryMb, graceMs = 1_000, idleMs = 30_000, tasksEach = Infinity, env } = options
  const count = size.value ?? availableParallelism()
  checkNumber(size.name, count, { least: 1, most: 1_024, isWhole: true })
  if (memoryMb !== undefined) checkNumber('memoryMb', memoryMb, { least: 16, most: 1_048_576 })
  checkNumber('graceMs', graceMs, { least: 0, most: 3_600_000 })
  checkNumber('idleMs', idleMs, { least: 0, most: 2 ** 31 - 1 })
  if (tasksEach !== Infinity) checkNumber('tasksEach', tasksEach, { least: 1, most: 2 ** 31, isWhole: true })
  return { file: urlOf(options.file), handler, size: count, memoryMb, graceMs, idleMs, tasksEach, env }
}

function urlOf(file: URL | string): string {
  const url = typeof file === 'string' && isAbsolute(file) ? pathToFileURL(file) : urlFrom(file)
  if (url === undefined || url.protocol !== 'file:') {
    throw invalid('file', `${String(file)} is neither a file: URL nor an absolute path`)
  }
  if (!existsSync(fileURLToPath(url))) throw invalid('file', `there is no file ${fileURLToPath(url)}`)
  return url.href
}

function urlFrom(file: URL | string): URL | undefined {
  return typeof file === 'string' ? (URL.parse(file) ?? undefined) : file
}

function checkNumber(
  path: string,
  value: number,
  { least, most, isWhole = false }: { readonly least: number; readonly most: number; readonly isWhole?: boolean },
): void {
  if (value >= least && value <= most && (!isWhole || Number.isInteger(value))) return
  throw invalid(path, `${path} is ${value}; it must be ${isWhole ? 'a whole number ' : ''}from ${least} to ${most}`)
}

function invalid(path: string, what: string): MillraceError {
  return new MillraceError('config_invalid', `The pool cannot be made: ${what}.`, { path })
}
