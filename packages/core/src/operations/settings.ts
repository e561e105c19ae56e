import { MillraceError } from '../runtime/error.ts'
import type { OperationChange, OperationSettings } from './operation.ts'

/** Settings as one source gives them. */
export type SomeSettings = { -readonly [Name in keyof OperationSettings]?: Exclude<OperationSettings[Name], undefined> }

/** What the store keeps of an operation. */
export interface StoredSettings {
  readonly settings: SomeSettings
  readonly changedAt: string | undefined
  readonly changedBy: string | undefined
}

const MODES = ['auto', 'sync', 'async'] as const
const FALLBACKS = ['sync', 'fail'] as const
const LONGEST_BY = 200

/** What the code says where nobody says otherwise. */
export const DEFAULT_SETTINGS: OperationSettings = {
  mode: 'auto',
  fallback: 'sync',
  rollout: 100,
  maxWaitMs: undefined,
}

/** The settings that a value holds. Throws `operation_invalid` at the first that makes no sense; what is not a setting is left alone. */
export function checkSettings(value: unknown, where: string): SomeSettings {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(where, undefined, 'they are not an object')
  }
  const { mode, fallback, rollout, maxWaitMs } = value as Readonly<Record<string, unknown>>
  const settings: SomeSettings = {}
  if (mode !== undefined) settings.mode = oneOf(MODES, mode, { where, path: 'mode' })
  if (fallback !== undefined) settings.fallback = oneOf(FALLBACKS, fallback, { where, path: 'fallback' })
  if (rollout !== undefined) settings.rollout = within(rollout, 100, { where, path: 'rollout' })
  if (maxWaitMs !== undefined) settings.maxWaitMs = within(maxWaitMs, 86_400_000, { where, path: 'maxWaitMs' })
  return settings
}

/** `async`, or `auto, rollout=25, fallback=fail, maxWaitMs=500`: the value of `MILLRACE_OPERATION_<NAME>`. Throws `operation_invalid`. */
export function parseEnvironment(text: string, variable: string): SomeSettings {
  const value: Record<string, unknown> = {}
  for (const part of text.split(',').map((each) => each.trim())) {
    if (part === '') continue
    const [name = '', given] = part.split('=').map((each) => each.trim())
    if (given === undefined) value['mode'] = name
    else if (name === 'rollout' || name === 'maxWaitMs') value[name] = given === '' ? NaN : Number(given)
    else if (name === 'mode' || name === 'fallback') value[name] = given
    else throw invalid(variable, name, `"${name}" is none: there are mode, fallback, rollout and maxWaitMs`)
  }
  return checkSettings(value, variable)
}

/** The variable that an operation looks at: `seo.audit` is `MILLRACE_OPERATION_SEO_AUDIT`. */
export function variableOf(name: string): string {
  return `MILLRACE_OPERATION_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`
}

/** Reads what the store has. Throws `operation_invalid`. */
export function parseStored(name: string, text: string): StoredSettings {
  const where = `the stored settings of the operation "${name}"`
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid(where, undefined, 'they are not JSON')
  }
  const settings = checkSettings(value, where)
  const { changedAt, changedBy } = value as Readonly<Record<string, unknown>>
  return {
    settings,
    changedAt: typeof changedAt === 'string' ? changedAt : undefined,
    changedBy: typeof changedBy === 'string' ? changedBy : undefined,
  }
}

/** The text to store after a change, undefined when nothing is left to say. Throws `operation_invalid`. */
export function changedText(
  name: string,
  stored: StoredSettings | undefined,
  { change, at }: { readonly change: OperationChange; readonly at: string },
): string | undefined {
  const where = `the change of the operation "${name}"`
  const given = Object.entries(change).filter(([key, value]) => key !== 'by' && value !== undefined)
  const unknown = given.find(([key]) => !(key in DEFAULT_SETTINGS))
  if (unknown !== undefined)
    throw invalid(where, unknown[0], `"${unknown[0]}" is none: there are mode, fallback, rollout and maxWaitMs`)
  if (given.length === 0) throw invalid(where, undefined, 'it changes nothing')
  const merged = { ...stored?.settings, ...Object.fromEntries(given) }
  const left = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null))
  const settings = checkSettings(left, where)
  if (Object.keys(settings).length === 0) return undefined
  return JSON.stringify({ ...settings, changedAt: at, changedBy: change.by?.slice(0, LONGEST_BY) })
}

function oneOf<Value extends string>(
  values: readonly Value[],
  given: unknown,
  at: { readonly where: string; readonly path: string },
): Value {
  const found = values.find((value) => value === given)
  if (found !== undefined) return found
  throw invalid(at.where, at.path, `${at.path} is ${shown(given)}; it must be ${values.join(', ')}`)
}

function within(given: unknown, most: number, at: { readonly where: string; readonly path: string }): number {
  if (typeof given === 'number' && given >= 0 && given <= most) return given
  throw invalid(at.where, at.path, `${at.path} is ${shown(given)}; it must be a number from 0 to ${most}`)
}

function shown(given: unknown): string {
  return typeof given === 'string' ? JSON.stringify(given.slice(0, 40)) : String(given)
}

function invalid(where: string, path: string | undefined, what: string): MillraceError {
  return new MillraceError('operation_invalid', `The settings in ${where} make no sense: ${what}.`, {
    ...(path !== undefined && { path }),
  })
}
