import { isMillraceError, MillraceError } from '@millrace/core'
import type { Engine } from '@millrace/core/driver'
import { importPackage } from './import-package.ts'
import { didYouMean } from './nearest.ts'
import { maskUrl } from './secrets.ts'

/** Which package opens which scheme, by which of its exports. */
const DRIVERS: Readonly<Record<string, { readonly from: string; readonly open: string }>> = {
  sqlite: { from: '@millrace/sqlite', open: 'sqliteFromUrl' },
  memory: { from: '@millrace/core/memory', open: 'memory' },
  postgres: { from: '@millrace/postgres', open: 'postgresFromUrl' },
  postgresql: { from: '@millrace/postgres', open: 'postgresFromUrl' },
  redis: { from: '@millrace/redis', open: 'redisFromUrl' },
  rediss: { from: '@millrace/redis', open: 'redisFromUrl' },
  'redis+cluster': { from: '@millrace/redis', open: 'redisFromUrl' },
  'redis+sentinel': { from: '@millrace/redis', open: 'redisFromUrl' },
}

/**
 * The engine of a URL, by the driver package that the project in `cwd` has, or else the command itself. Throws
 * `engine_url_invalid`, and `config_invalid` with the package to install when the driver is missing.
 */
export async function engineFromUrl(url: string, cwd: string): Promise<Engine> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase()
  if (scheme === undefined) {
    throw new MillraceError(
      'engine_url_invalid',
      'The engine URL has no scheme. Write it like sqlite:./file.db or memory:, with the scheme and a colon first.',
    )
  }
  const driver = DRIVERS[scheme]
  if (driver === undefined) {
    throw new MillraceError(
      'engine_url_invalid',
      `No engine has the scheme ${scheme}:. ${didYouMean(scheme, Object.keys(DRIVERS))}`,
    )
  }
  if (scheme === 'memory' && url !== 'memory:') {
    throw new MillraceError('engine_url_invalid', 'The memory engine takes no address: write memory: and nothing more.')
  }
  const open = await openerOf(driver, scheme, cwd)
  try {
    return open(url)
  } catch (error) {
    if (isMillraceError(error)) throw error
    throw new MillraceError(
      'engine_url_invalid',
      `The engine URL ${maskUrl(url)} is not usable. Escape special characters in its user and password (@ is %40, : is %3A, / is %2F, # is %23, % is %25).`,
    )
  }
}

type Open = (url: string) => Engine

async function openerOf(
  { from, open }: { readonly from: string; readonly open: string },
  scheme: string,
  cwd: string,
): Promise<Open> {
  const module = await importPackage(from, cwd, `The engine ${scheme}:`)
  const opener = module[open]
  if (typeof opener !== 'function') {
    throw new MillraceError('config_invalid', `The package ${from} has no ${open}. Install its current version.`)
  }
  if (open === 'memory') return () => asEngine(opener(), from)
  return (url) => asEngine(opener(url), from)
}

function asEngine(value: unknown, from: string): Engine {
  if (isEngine(value)) return value
  throw new MillraceError('config_invalid', `What the package ${from} gave is no engine. Install its current version.`)
}

/** Whether a value is what `sqlite()`, `memory()` and the other drivers return. */
export function isEngine(value: unknown): value is Engine {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    typeof value.name === 'string' &&
    'open' in value &&
    typeof value.open === 'function'
  )
}
