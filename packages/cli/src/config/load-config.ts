import { statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isMillraceError, MillraceError } from '@millrace/core'
import { checkConfig } from './check-config.ts'
import type { MillraceConfig } from './define-config.ts'

/** The names looked for in the working folder, in this order. */
export const CONFIG_NAMES = ['millrace.config.ts', 'millrace.config.js', 'millrace.config.mjs'] as const

const LARGEST_BYTES = 1024 * 1024

/** Finds the configuration file: the named one, or the first of the usual names that exists. */
export function findConfig(cwd: string, named: string | undefined): string | undefined {
  if (named !== undefined) return resolve(cwd, named)
  return CONFIG_NAMES.map((name) => join(cwd, name)).find(
    (path) => statSync(path, { throwIfNoEntry: false }) !== undefined,
  )
}

/** Imports and checks a configuration file. Throws `config_invalid` with one sentence for whatever is wrong with it. */
export async function loadConfig(path: string): Promise<MillraceConfig> {
  const name = basename(path)
  checkFile(path, name)
  let module: { readonly default?: unknown }
  try {
    module = await import(pathToFileURL(path).href)
  } catch (error) {
    throw new MillraceError('config_invalid', importFailure(error, name), { cause: error })
  }
  if (!('default' in module)) {
    throw new MillraceError(
      'config_invalid',
      `${name} has no default export. Write: export default defineConfig({ … })`,
    )
  }
  let config: unknown
  try {
    config = await module.default
  } catch (error) {
    throw new MillraceError(
      'config_invalid',
      `The default export of ${name} is a promise that failed: ${reasonOf(error)}`,
    )
  }
  return checkConfig(config, name)
}

function checkFile(path: string, name: string): void {
  let stats: ReturnType<typeof statSync>
  try {
    stats = statSync(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    const why =
      code === 'ENOENT'
        ? 'does not exist'
        : code === 'ELOOP'
          ? 'is a symbolic link that leads back to itself'
          : code === 'EACCES'
            ? 'may not be read by this user'
            : `cannot be read (${String(code)})`
    throw new MillraceError('config_invalid', `The configuration file ${path} ${why}.`)
  }
  if (stats.isDirectory()) {
    throw new MillraceError(
      'config_invalid',
      `The configuration ${path} is a folder. Name the file in it, such as ${join(path, CONFIG_NAMES[0])}.`,
    )
  }
  if (!/\.(ts|mts|js|mjs)$/.test(name)) {
    throw new MillraceError('config_invalid', `The configuration file ${name} must end in .ts, .mts, .js or .mjs.`)
  }
  if (!stats.isFile()) throw new MillraceError('config_invalid', `The configuration ${path} is not a regular file.`)
  if (stats.size > LARGEST_BYTES) {
    throw new MillraceError(
      'config_invalid',
      `The configuration file ${name} has ${stats.size} bytes; more than ${LARGEST_BYTES} is surely a mistake.`,
    )
  }
}

/** One sentence about a failed import, with the line where Node gives one. */
function importFailure(error: unknown, name: string): string {
  if (isMillraceError(error)) return `${name} failed: ${error.message}`
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (error instanceof SyntaxError) {
    const line = /^(?:file:\/\/)?\S*?([^/\s:]+):(\d+)/.exec(error.stack ?? '')
    const where = line?.[1] === undefined ? name : `${line[1]}, line ${line[2]}`
    return `${name} cannot be read as a program (${where}): ${reasonOf(error)}`
  }
  if (code === 'ERR_MODULE_NOT_FOUND') return `${name} imports something that is not there: ${reasonOf(error)}`
  return `${name} failed while it was loaded: ${reasonOf(error)}`
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const first =
    text
      .trim()
      .split('\n')
      .find((line) => line.trim() !== '') ?? 'no reason given'
  return first.length > 500 ? `${first.slice(0, 500)}…` : first
}
