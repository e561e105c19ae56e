import { MillraceError } from '../runtime/error.ts'
import { DEFAULT_LIMITS } from './limits.ts'

const NAME = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/
const GROUP_NAME = /^[a-z0-9]+(?:[._:-][a-z0-9]+)*$/
/** The topic of foreign types in which nothing can be kept, such as `注文`. */
const TOPIC_OF_LAST_RESORT = 'other'

/**
 * Throws `event_name_invalid` unless the type fits what our own definitions may use: dotted lower-case words,
 * `[a-z0-9]+([._-][a-z0-9]+)*`, 1-200 characters.
 */
export function assertEventType(type: string, maxCharacters: number = DEFAULT_LIMITS.nameCharacters): void {
  if (!isName(type, NAME, maxCharacters)) throw nameError('event type', type, 'order.placed', maxCharacters)
}

/** Throws `event_name_invalid` unless the topic is made as an event type is. */
export function assertTopicName(topic: string, maxCharacters: number = DEFAULT_LIMITS.nameCharacters): void {
  if (!isName(topic, NAME, maxCharacters)) throw nameError('topic', topic, 'order', maxCharacters)
}

/** Throws `event_name_invalid` unless the group is made as an event type is; `:` may join words too (`agent:sentiment`). */
export function assertGroupName(group: string, maxCharacters: number = DEFAULT_LIMITS.nameCharacters): void {
  if (!isName(group, GROUP_NAME, maxCharacters)) throw nameError('group', group, 'agent:sentiment', maxCharacters)
}

/**
 * The topic of a type whose definition names none: the first dotted segment (`order.placed` gives `order`). Of a foreign
 * type, the first segment that can be made legal: lower case, and `-` for each run of what a topic may not have
 * (`Order Placed!` gives `order-placed`); `other` where nothing is left. Deterministic and never longer than a topic may be.
 */
export function topicOf(type: string): string {
  // Every publish asks, and a process publishes few types.
  if (type !== lastType) {
    lastTopic = topicFrom(type)
    lastType = type
  }
  return lastTopic
}

let lastType: string | undefined
let lastTopic = ''

function topicFrom(type: string): string {
  const dot = type.indexOf('.')
  const first = dot === -1 ? type : type.slice(0, dot)
  if (isName(first, NAME, DEFAULT_LIMITS.nameCharacters)) return first
  for (const segment of type.split('.')) {
    const topic = legalTopic(segment)
    if (topic !== '') return topic
  }
  return TOPIC_OF_LAST_RESORT
}

/**
 * Whether a type fits a pattern: `order.placed` (itself), `order.*` (exactly one segment in place of the star),
 * `order.**` (one segment or more), `**` (every type). Throws `event_name_invalid` for a star that is not a whole
 * segment, and for `**` before the end.
 */
export function matchesPattern(pattern: string, type: string): boolean {
  let matcher = compiled.get(pattern)
  if (matcher === undefined) {
    matcher = compilePattern(pattern)
    if (compiled.size >= MOST_COMPILED) compiled.clear()
    compiled.set(pattern, matcher)
  }
  return matcher(type)
}

const compiled = new Map<string, (type: string) => boolean>()
const MOST_COMPILED = 1_000

/** A pattern as a function of the type; see `matchesPattern`. Throws `event_name_invalid`. */
export function compilePattern(pattern: string): (type: string) => boolean {
  if (pattern === '**') return () => true
  const segments = pattern.split('.')
  const open = segments.at(-1) === '**'
  if (open) segments.pop()
  if (pattern === '' || segments.some((segment) => segment === '' || (segment.includes('*') && segment !== '*'))) {
    throw patternError(pattern)
  }
  if (!segments.includes('*')) {
    const prefix = `${segments.join('.')}.`
    return open ? (type) => type.length > prefix.length && type.startsWith(prefix) : (type) => type === pattern
  }
  return (type) => {
    const parts = type.split('.')
    if (open ? parts.length <= segments.length : parts.length !== segments.length) return false
    return segments.every((segment, at) => (segment === '*' ? parts[at] !== '' : parts[at] === segment))
  }
}

function isName(name: unknown, rule: RegExp, maxCharacters: number): boolean {
  return typeof name === 'string' && name.length <= maxCharacters && rule.test(name)
}

function legalTopic(segment: string): string {
  return segment
    .slice(0, DEFAULT_LIMITS.nameCharacters)
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, '-')
    .replaceAll(/[_-]*([_-])/g, '$1')
    .replaceAll(/^[_-]+|[_-]+$/g, '')
}

function nameError(kind: string, name: unknown, example: string, maxCharacters: number): MillraceError {
  const shown = typeof name === 'string' ? JSON.stringify(name.slice(0, 80)) : `of type ${typeof name}`
  const joiners = kind === 'group' ? '".", "_", "-" or ":"' : '".", "_" or "-"'
  return new MillraceError(
    'event_name_invalid',
    `The ${kind} ${shown} is not allowed. Use lower-case letters and digits in words joined by ${joiners}, such as "${example}", at most ${maxCharacters} characters.`,
    { path: kind === 'event type' ? 'type' : kind, facts: { maxCharacters } },
  )
}

function patternError(pattern: string): MillraceError {
  return new MillraceError(
    'event_name_invalid',
    `The pattern ${JSON.stringify(pattern.slice(0, 80))} is not allowed. A star stands for a whole segment ("order.*"), two stars for all that follow, at the end only ("order.**").`,
    { path: 'pattern' },
  )
}
