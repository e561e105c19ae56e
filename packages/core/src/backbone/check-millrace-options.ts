import { assertTopicName } from '../contract/event-name.ts'
import { DURABILITY_LEVELS } from '../driver/capabilities.ts'
import type { Retention } from '../driver/transport.ts'
import { MillraceError } from '../runtime/error.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'
import type { MillraceOptions } from './millrace.ts'

const CALL = 'createMillrace'
const OPTIONS: ReadonlySet<string> = new Set<keyof MillraceOptions>([
  ...(['engine', 'transport', 'store', 'log', 'relay', 'name', 'events', 'taskDefinitions', 'topics'] as const),
  ...(['durability', 'limits', 'middleware', 'leaseMs', 'publishTimeoutMs', 'maxPending'] as const),
  ...(['onError', 'runtime'] as const),
])
const TOPIC: ReadonlySet<string> = new Set(['partitions', 'retention'])
const RETENTION: ReadonlySet<string> = new Set<keyof Retention>(['maxAgeMs', 'maxEvents', 'maxBytes', 'whenUnread'])
const DURABILITY: ReadonlySet<string> = new Set(['atLeast'])
/** The least that each number may be. */
const LEAST = { leaseMs: 1, publishTimeoutMs: 1, maxPending: 1 } as const

/** Refuses a list of definitions, which has no names for the methods, and a spool that is no engine. Throws `config_invalid`. */
export function checkEventClient(events: unknown, options: { readonly spool?: unknown }): void {
  const call = 'createEventClient'
  if (typeof events !== 'object' || events === null || Array.isArray(events))
    throw invalid(call, 'events', 'the first argument names the definitions: { OrderPlaced, QuoteReady }')
  if (options?.spool !== undefined) checkEngine(call, 'spool', options.spool)
}

/** Refuses options that are none, and engines that are none. Throws `config_invalid`, `event_name_invalid`, with the option as path. */
export function checkMillraceOptions(options: MillraceOptions): void {
  const wrong = wrongOptions(options, OPTIONS)
  if (wrong?.name !== undefined) throw invalid(CALL, wrong.name, `the option "${wrong.name}" ${wrong.what}`)
  if (wrong !== undefined) throw invalid(CALL, 'options', `the argument ${wrong.what}, such as { engine: memory() }`)
  const { engine, transport, store, log } = options
  for (const [path, value] of Object.entries({ engine, transport, store, log }))
    if (value !== undefined) checkEngine(CALL, path, value)
  checkService(options)
  checkDurabilityOption(options.durability)
  for (const [topic, settings] of Object.entries(options.topics ?? {})) {
    checkNames(`topics.${topic}`, settings, TOPIC)
    if (settings.retention !== undefined) checkNames(`topics.${topic}.retention`, settings.retention, RETENTION)
  }
  for (const [path, least] of Object.entries(LEAST)) {
    const value = options[path as keyof typeof LEAST]
    if (value === undefined || (typeof value === 'number' && value >= least)) continue
    throw invalid(CALL, path, `"${path}" is ${String(value)}; it must be a number from ${least}`)
  }
}

function checkService({ name = 'app', events, middleware, runtime }: MillraceOptions): void {
  try {
    assertTopicName(name)
  } catch (cause) {
    const rule = 'It must be lower-case words of letters and digits, joined by ".", "_" or "-"'
    const message = `${CALL}: the name ${JSON.stringify(name)} is not allowed. ${rule}.`
    throw new MillraceError('event_name_invalid', message, { path: 'name', cause })
  }
  for (const [path, value] of Object.entries({ events, middleware }))
    if (value !== undefined && !Array.isArray(value)) throw invalid(CALL, path, `"${path}" must be a list`)
  if (runtime !== undefined && typeof runtime.monotonic !== 'function')
    throw invalid(CALL, 'runtime', '"runtime" is what systemRuntime({ log }) gives')
}

/** A level that is none would be below all others: nothing would be demanded. */
function checkDurabilityOption(durability: unknown): void {
  if (durability === undefined) return
  checkNames('durability', durability, DURABILITY)
  const { atLeast } = durability as { readonly atLeast?: unknown }
  if (atLeast === undefined || DURABILITY_LEVELS.some((level) => level === atLeast)) return
  throw invalid(
    CALL,
    'durability.atLeast',
    `no engine has the durability ${JSON.stringify(atLeast)}; levels are ${DURABILITY_LEVELS.join(', ')}`,
  )
}

function checkNames(at: string, given: unknown, known: ReadonlySet<string>): void {
  const wrong = wrongOptions(given, known)
  if (wrong === undefined) return
  const path = wrong.name === undefined ? at : `${at}.${wrong.name}`
  throw invalid(CALL, path, `"${path}" ${wrong.what}`)
}

function checkEngine(call: string, path: string, value: unknown): void {
  if (typeof value === 'object' && value !== null && 'open' in value && typeof value.open === 'function') return
  throw invalid(call, path, `"${path}" is ${shown(path, value)}`)
}

/** What stands in place of an engine, never as it is: an engine URL may hold a password. */
function shown(path: string, value: unknown): string {
  const call = `Give what an engine's function returns, such as sqlite('./app.db') or postgres('postgres://localhost/app')`
  if (typeof value === 'string') return `a text. ${call}`
  if (typeof value === 'function') return `a function that was not called. ${call}`
  const isLogger = path === 'log' && typeof value === 'object' && value !== null && 'info' in value
  if (isLogger)
    return 'a logger, but it names the engine that is the log of record. A logger goes into { runtime: systemRuntime({ log }) }'
  return `no engine. ${call}`
}

function invalid(call: string, path: string, what: string): MillraceError {
  return new MillraceError('config_invalid', `${call}: ${what}.`, { path })
}
