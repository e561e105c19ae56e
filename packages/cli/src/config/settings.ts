import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { MillraceError } from '@millrace/core'
import type { Engine } from '@millrace/core/driver'
import type { MillraceConfig } from './define-config.ts'
import { engineFromUrl } from './engine-url.ts'
import { variable, type Environment } from './environment.ts'
import { CONFIG_NAMES, findConfig, loadConfig } from './load-config.ts'
import { maskUrl, secretsOf } from './secrets.ts'

/** The engine that a project gets without asking, under its own folder. */
export const DEFAULT_ENGINE = 'sqlite:./.millrace/millrace.db'

/** Everything that a command needs to know about the application. */
export interface Settings {
  readonly engine: Engine
  /** Without secrets. */
  readonly engineName: string
  readonly name: string | undefined
  readonly config: MillraceConfig
  readonly configPath: string | undefined
}

/** What settings are resolved from. */
export interface SettingsQuery {
  readonly cwd: string
  readonly environment: Environment
  readonly engineFlag: string | undefined
  readonly configFlag: string | undefined
  /** Whether an SQLite file that is not there is an error rather than made. */
  readonly mustExist: boolean
  /** Falls back to the project's own file, which is made. */
  readonly makeDefault: boolean
  /** Hears of each secret before anything can print it. */
  readonly onSecret: (secret: string) => void
}

/**
 * Where the events are: flag, then variable, then configuration, then the project's file if there is one. Throws
 * `config_invalid`, `engine_url_invalid`, and `engine_unreachable` for a file that must exist.
 */
export async function resolveSettings(query: SettingsQuery): Promise<Settings> {
  const { cwd, environment } = query
  const configPath = findConfig(cwd, query.configFlag ?? variable(environment, 'MILLRACE_CONFIG'))
  const fromOutside = query.engineFlag ?? variable(environment, 'MILLRACE_ENGINE')
  if (fromOutside !== undefined) for (const secret of secretsOf(fromOutside)) query.onSecret(secret)
  const config = configPath === undefined ? {} : await loadConfig(configPath)
  const wanted = fromOutside ?? config.engine ?? defaultEngine(query)
  if (typeof wanted === 'string') for (const secret of secretsOf(wanted)) query.onSecret(secret)
  const engineName = maskUrl(typeof wanted === 'string' ? wanted : wanted.name)
  if (query.mustExist) refuseMissingFile(engineName, cwd)
  const engine = typeof wanted === 'string' ? await engineFromUrl(wanted, cwd) : wanted
  return { engine, engineName, name: variable(environment, 'MILLRACE_NAME') ?? config.name, config, configPath }
}

function defaultEngine({ cwd, makeDefault }: SettingsQuery): string {
  if (makeDefault || existsSync(join(cwd, '.millrace', 'millrace.db'))) return DEFAULT_ENGINE
  throw new MillraceError(
    'config_invalid',
    `Which engine? Pass --engine URL (such as sqlite:./app.db), set MILLRACE_ENGINE, or write ${CONFIG_NAMES[0]}. ` +
      'millrace dev makes ./.millrace/millrace.db.',
  )
}

/** A reading command must not answer a typing mistake with a new, empty file. */
function refuseMissingFile(engineName: string, cwd: string): void {
  const path = /^sqlite:(?:\/\/(?=\/))?([^?]+)/.exec(engineName)?.[1]
  if (path === undefined || path === ':memory:') return
  const file = resolve(cwd, path)
  if (existsSync(file)) return
  throw new MillraceError(
    'engine_unreachable',
    `The SQLite file ${file} does not exist. Check the path, or publish an event to make it.`,
  )
}
