import { MillraceError } from '@millrace/core'
import type { MillraceConfig } from './define-config.ts'
import { isEngine } from './engine-url.ts'
import { didYouMean } from './nearest.ts'

type Check = readonly [fits: (value: unknown) => boolean, wanted: string]

const KEYS: Readonly<Record<keyof MillraceConfig, Check>> = {
  engine: [
    (value) => typeof value === 'string' || isEngine(value),
    "an engine such as sqlite('./file.db'), or its URL",
  ],
  name: [(value) => typeof value === 'string' && value !== '', 'a text'],
  events: [(value) => Array.isArray(value) && value.every(isDefinition), 'a list of event definitions'],
  tasks: [(value) => Array.isArray(value) && value.every(isTaskDefinition), 'a list of task definitions'],
  topics: [isObject, 'an object'],
  durability: [isObject, 'an object such as { atLeast: "fsync" }'],
  subscriptions: [(value) => typeof value === 'function', 'a function that takes millrace'],
  server: [isObject, 'an object such as { port: 4400 }'],
}

const SERVER_KEYS = ['host', 'port', 'allowInsecure', 'mounts', 'limits', 'timeouts'] as const

/** Narrows what a configuration file exports. Throws `config_invalid` naming the key, and the nearest known one. */
export function checkConfig(value: unknown, file: string): MillraceConfig {
  if (!isObject(value)) {
    throw new MillraceError(
      'config_invalid',
      `The default export of ${file} is not an object. Write: export default defineConfig({ … })`,
    )
  }
  refuseUnknown(value, Object.keys(KEYS), file, '')
  for (const [key, [fits, wanted]] of Object.entries(KEYS)) {
    const given = Reflect.get(value, key)
    if (given !== undefined && !fits(given)) {
      throw new MillraceError('config_invalid', `${key} in ${file} must be ${wanted}.`, { path: key })
    }
  }
  const server: unknown = Reflect.get(value, 'server')
  if (isObject(server)) refuseUnknown(server, SERVER_KEYS, file, 'server.')
  return value
}

function refuseUnknown(value: object, known: readonly string[], file: string, prefix: string): void {
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue
    throw new MillraceError(
      'config_invalid',
      `${file} has the key ${JSON.stringify(`${prefix}${key}`)}, which is not known. ${didYouMean(key, known)}`,
      { path: `${prefix}${key}` },
    )
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isTaskDefinition(value: unknown): boolean {
  return isObject(value) && 'name' in value && typeof value.name === 'string' && 'input' in value
}

function isDefinition(value: unknown): boolean {
  return (
    isObject(value) &&
    'type' in value &&
    typeof value.type === 'string' &&
    'create' in value &&
    typeof value.create === 'function'
  )
}
