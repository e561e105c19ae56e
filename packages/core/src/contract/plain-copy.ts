import type { JsonBounds } from './json-check.ts'

/** What is left of the bounds. */
interface Room {
  bytes: number
  keys: number
  /** Whether to look for lone surrogates. */
  readonly texts: boolean
}

/**
 * Whether a value is certain to pass `checkJson` and to be, as JSON, the same as what a schema has made it of: a quick look
 * that almost every event ends with. False means that nothing is known: the slow ways find out what is wrong, or that
 * nothing is. In objects that the schema has made anew nobody looks for symbols and holes: they have what the input has, so that
 * nothing of that is lost. `texts` false leaves out lone surrogates, for `hasLoneSurrogate` to find in what is written.
 */
export function isPlainCopy(output: unknown, input: unknown, bounds: JsonBounds, texts: boolean): boolean {
  try {
    const room = { bytes: bounds.eventBytes, keys: bounds.keys, texts }
    return isCopy(output, input, room, bounds.depth) && room.bytes >= 0
  } catch {
    // A getter has thrown: whoever reads it with care says which.
    return false
  }
}

/** Whether a text that `JSON.stringify` has written may hold half of a surrogate pair, which it writes as an escape. */
export function hasLoneSurrogate(json: string): boolean {
  return json.includes('\\ud')
}

function isCopy(output: unknown, input: unknown, room: Room, depth: number): boolean {
  switch (typeof output) {
    case 'string':
      room.bytes -= output.length + 3
      return output === input && room.bytes >= 0 && (!room.texts || output.isWellFormed())
    case 'number':
      room.bytes -= 2
      return output === input && Number.isFinite(output) && (output !== 0 || !Object.is(output, -0))
    case 'boolean':
      room.bytes -= 5
      return output === input
    case 'object':
      room.bytes -= 5
      if (output === null || input === null || typeof input !== 'object') return output === input
      if (depth === 0 || room.bytes < 0) return false
      return Array.isArray(output)
        ? isArrayCopy(output, input, room, depth - 1)
        : isObjectCopy(output as Members, input as Members, room, depth - 1)
    default:
      return false
  }
}

type Values = readonly unknown[] & { readonly toJSON?: unknown }
type Members = Readonly<Record<string, unknown>>

function isArrayCopy(output: Values, input: object, room: Room, depth: number): boolean {
  if (Object.getPrototypeOf(output) !== Array.prototype || typeof output.toJSON === 'function') return false
  if (!Array.isArray(input) || output.length !== input.length || output.length > room.bytes) return false
  if (output === input && !hasNoMore(output, Object.keys(output).length === output.length)) return false
  for (let at = 0; at < output.length; at += 1) if (!isCopy(output[at], input[at], room, depth)) return false
  return true
}

/** It is walked with `for in`, which takes half as long as lists of keys. */
function isObjectCopy(output: Members, input: Members, room: Room, depth: number): boolean {
  const prototype: unknown = Object.getPrototypeOf(output)
  if ((prototype !== Object.prototype && prototype !== null) || typeof output['toJSON'] === 'function') return false
  const isSame = output === input
  if (Array.isArray(input) || (isSame && !hasNoMore(output, true))) return false
  let more = 0
  for (const key in output) {
    if (key === '__proto__' || key === 'constructor' || key === 'prototype') return false
    if (room.texts && !key.isWellFormed()) return false
    room.bytes -= key.length + 3
    more += 1
    const member = output[key]
    if (member === undefined ? input[key] !== undefined : !isCopy(member, input[key], room, depth)) return false
  }
  room.keys -= more
  if (room.keys < 0 || room.bytes < 0) return false
  if (isSame) return true
  for (const _ in input) more -= 1
  return more === 0
}

/** Whether there is nothing in it beside what is walked. */
function hasNoMore(container: object, hasOnlyItsOwn: boolean): boolean {
  return hasOnlyItsOwn && Object.getOwnPropertySymbols(container).length === 0
}
