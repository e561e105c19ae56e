import { isMillraceError, MillraceError } from '../runtime/error.ts'
import { joinPath } from './json-path.ts'
import { DEFAULT_LIMITS, type Limits } from './limits.ts'

/** What bounds a value beside the rules of JSON. */
export type JsonBounds = Pick<Limits, 'depth' | 'keys' | 'eventBytes'>

/**
 * Where a value comes from, which decides what can be wrong with it. `program`: anything. `wire`: said to be parsed JSON,
 * so that -0 may stand. `text`: JSON.parse has just made it, so that it is plain. `clean-text`: from text, too, in which no
 * lone surrogate can be.
 */
export type JsonOrigin = 'program' | 'wire' | 'text' | 'clean-text'

/** The rules that an origin leaves open. */
interface Rules {
  readonly bounds: JsonBounds
  /** Look for prototypes, symbols, accessors, holes. */
  readonly objects: boolean
  /** Look for lone surrogates. */
  readonly texts: boolean
  readonly negativeZero: boolean
}

/** A container under way; the chain of parents is the path. */
interface Frame {
  readonly parent: Frame | undefined
  readonly depth: number
  readonly container: Readonly<Record<PropertyKey, unknown>>
  /** Undefined for an array. */
  readonly keys: readonly string[] | undefined
  readonly size: number
  next: number
}

/**
 * Refuses what would not come back unchanged from JSON, by its path: `event_not_json` for functions, symbols, BigInt, NaN,
 * Infinity, -0, undefined in arrays, holes, class instances (Date, Map, Buffer), `toJSON`, cycles, lone surrogates and what
 * throws when it is read; `event_forbidden_key` for keys that could poison a prototype; `limit_exceeded` for depth, keys
 * and size. An object property that is undefined counts as absent, as in JSON. It walks without recursion and stops at the
 * bounds, so its time is bounded whatever comes.
 */
export function checkJson(
  value: unknown,
  {
    path = 'data',
    bounds = DEFAULT_LIMITS,
    origin = 'program',
  }: { path?: string; bounds?: JsonBounds; origin?: JsonOrigin } = {},
): void {
  if (value === undefined) return
  const objects = origin === 'program' || origin === 'wire'
  const rules: Rules = { bounds, objects, texts: origin !== 'clean-text', negativeZero: origin === 'program' }
  let frame: Frame | undefined
  try {
    // Each value and key is at least this many bytes of JSON, so that the bound of the event bounds the walk.
    let bytes = scalarBytes(value, rules)
    let keys = 0
    if (bytes === CONTAINER) {
      frame = open(undefined, value as Frame['container'], rules)
      keys = frame.keys?.length ?? 0
      if (keys > bounds.keys) throw tooMany('keys', bounds.keys)
      bytes = 2
    }
    while (frame !== undefined) {
      if (frame.next === frame.size) {
        frame = frame.parent
        continue
      }
      const at: number = frame.next++
      let child: unknown
      if (frame.keys === undefined) {
        child = frame.container[at]
        if (child === undefined) throw lost('undefined (or a hole) in an array, which JSON turns into null')
      } else {
        const key: string = frame.keys[at] ?? ''
        if (key === '__proto__' || key === 'constructor' || key === 'prototype') throw forbidden(key)
        if (rules.texts && !key.isWellFormed()) throw lost('a key with a lone surrogate, which is no valid text')
        child = frame.container[key]
        if (child === undefined) continue
        bytes += key.length + 3
      }
      const size: number = scalarBytes(child, rules)
      if (size === CONTAINER) {
        frame = open(frame, child as Frame['container'], rules)
        if (frame.keys !== undefined && (keys += frame.keys.length) > bounds.keys) throw tooMany('keys', bounds.keys)
        bytes += 3
      } else bytes += size + 1
      if (bytes > bounds.eventBytes + 8) throw tooMany('bytes', bounds.eventBytes)
    }
  } catch (error) {
    throw withPath(error, pathOf(frame, path))
  }
}

const CONTAINER = -1

/** The least bytes of a scalar in JSON, or `CONTAINER`. */
function scalarBytes(value: unknown, rules: Rules): number {
  switch (typeof value) {
    case 'string':
      if (value.length > rules.bounds.eventBytes) throw tooMany('bytes', rules.bounds.eventBytes)
      if (rules.texts && !value.isWellFormed()) throw lost('a text with a lone surrogate, which is no valid text')
      return value.length + 2
    case 'number':
      if (!Number.isFinite(value)) throw lost(`${value}, which JSON turns into null`)
      if (value === 0 && rules.negativeZero && Object.is(value, -0)) throw lost('-0, which JSON turns into 0')
      return 1
    case 'boolean':
      return 4
    case 'object':
      return value === null ? 4 : CONTAINER
    default:
      throw lost(`a value of type ${typeof value}, which JSON cannot carry`)
  }
}

function open(parent: Frame | undefined, container: Frame['container'], { bounds, objects }: Rules): Frame {
  const depth = parent === undefined ? 1 : parent.depth + 1
  if (depth > bounds.depth) throw tooDeep(parent, bounds.depth)
  if (Array.isArray(container) && container.length > bounds.eventBytes) throw tooMany('bytes', bounds.eventBytes)
  if (objects) checkContainer(container)
  if (Array.isArray(container)) return { parent, depth, container, keys: undefined, size: container.length, next: 0 }
  const keys = Object.keys(container)
  return { parent, depth, container, keys, size: keys.length, next: 0 }
}

function checkContainer(container: Frame['container']): void {
  // A method that JSON.stringify would call in place of writing what is there.
  if (typeof container['toJSON'] === 'function') {
    throw lost(`${nameOf(container)} with a toJSON method; give what it returns`)
  }
  if (Array.isArray(container)) {
    const names = Object.keys(container).length
    if (names < container.length) throw lost('an array with holes, which JSON turns into null')
    if (names > container.length) throw lost('an array with named properties, which JSON drops')
  } else if (!isPlain(container)) {
    throw lost(`${nameOf(container)}, of which JSON keeps no more than its own properties; give a plain object`)
  }
  if (Object.getOwnPropertySymbols(container).length > 0) throw lost('an object with symbol keys, which JSON drops')
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return true
  // Another realm's (a frame, a vm context) Object.prototype is as plain as ours.
  return (
    typeof prototype === 'object' &&
    prototype !== null &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, 'isPrototypeOf')
  )
}

function nameOf(value: object): string {
  const named: unknown = Object.getPrototypeOf(value)?.constructor?.name
  return typeof named === 'string' && named !== '' && named !== 'Object'
    ? `an instance of ${named.slice(0, 40)}`
    : 'an object'
}

function tooDeep(parent: Frame | undefined, limit: number): MillraceError {
  const seen = new Set<unknown>()
  for (let frame = parent; frame !== undefined; frame = frame.parent) {
    if (seen.has(frame.container)) return lost('an object that contains itself')
    seen.add(frame.container)
  }
  return new MillraceError('limit_exceeded', `is nested deeper than ${limit} levels. Flatten it.`, { facts: { limit } })
}

function lost(what: string): MillraceError {
  return new MillraceError('event_not_json', `is ${what}`)
}

function forbidden(key: string): MillraceError {
  return new MillraceError('event_forbidden_key', `has the name "${key}", which could poison a prototype; rename it`)
}

function tooMany(unit: 'keys' | 'bytes', limit: number): MillraceError {
  return new MillraceError(
    'limit_exceeded',
    `brings the data above the limit of ${limit} ${unit}; store it elsewhere and publish a reference`,
    { facts: { limit, unit } },
  )
}

/** The path is put together only when something is wrong: `next` of each frame is one past the child under way. */
function pathOf(frame: Frame | undefined, root: string): string {
  const steps: PropertyKey[] = []
  for (let at = frame; at !== undefined; at = at.parent) {
    if (at.next > 0) steps.push(at.keys === undefined ? at.next - 1 : (at.keys[at.next - 1] ?? ''))
  }
  return steps.reduceRight<string>(joinPath, root)
}

function withPath(error: unknown, path: string): MillraceError {
  if (isMillraceError(error)) {
    return new MillraceError(error.code, `${path} ${error.message}.`.replace(/\.\.$/, '.'), {
      path,
      facts: error.facts,
    })
  }
  return new MillraceError('event_not_json', `${path} threw when it was read. Give a plain value.`, {
    path,
    cause: error,
  })
}
