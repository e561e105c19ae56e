import { MillraceError } from '../runtime/error.ts'

/** Bounds of what may be published: the same on every engine, checked before anything is sent. */
export interface Limits {
  /** Bytes of the structured CloudEvents JSON. */
  readonly eventBytes: number
  readonly depth: number
  /** Object keys in one event's data, all levels together. */
  readonly keys: number
  readonly batchEvents: number
  readonly batchBytes: number
  /** Characters of an event type and of a topic. */
  readonly nameCharacters: number
  /** Bytes (UTF-8) of an id and of a key. */
  readonly idBytes: number
}

export const DEFAULT_LIMITS: Limits = {
  eventBytes: 256 * 1024,
  depth: 64,
  keys: 10_000,
  batchEvents: 1_000,
  batchBytes: 4 * 1024 * 1024,
  nameCharacters: 200,
  idBytes: 256,
}

/** Above this, JSON.parse and JSON.stringify of the host could run out of stack. */
const DEEPEST = 512

/**
 * Fills in the limits that are not given. Each may be lowered; raised only up to what `bounds` (the engine's) names.
 * Throws `config_invalid` for an unknown name, a value that is no whole number of at least 1, or one above its bound.
 */
export function resolveLimits(given: Partial<Limits> = {}, bounds: Partial<Limits> = {}): Limits {
  const resolved = { ...DEFAULT_LIMITS }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    if (!isLimit(name)) {
      throw invalid(name, `is not known; the limits are ${Object.keys(DEFAULT_LIMITS).join(', ')}`)
    }
    const most = Math.max(
      DEFAULT_LIMITS[name],
      name === 'depth' ? Math.min(bounds.depth ?? 0, DEEPEST) : (bounds[name] ?? 0),
    )
    if (!Number.isInteger(value) || value < 1 || value > most) {
      throw invalid(name, `is ${String(value)}; it must be a whole number from 1 to ${most}`)
    }
    resolved[name] = value
  }
  return resolved
}

function isLimit(name: string): name is keyof Limits {
  return Object.hasOwn(DEFAULT_LIMITS, name)
}

function invalid(name: string, what: string): MillraceError {
  return new MillraceError('config_invalid', `The limit "${name}" ${what}.`, { path: `limits.${name}` })
}
