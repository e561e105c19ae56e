import { DEFAULT_QUEUE_SETTINGS, type QueueSettings, type TaskRetention } from '../driver/queue-settings.ts'
import type { Keep, QueueOptions } from './queue-definition.ts'

/** What the core keeps beside the settings of a queue: who wants what. */
export interface QueueNote {
  /** What code says. */
  readonly declared: QueueOptions
  /** What an operator has set, which wins. */
  readonly overridden: QueueOptions
}

const EMPTY_NOTE: QueueNote = { declared: {}, overridden: {} }
const FAIR_MS = 1_000

/** A note that is none of ours counts as empty. */
export function decodeNote(text: string): QueueNote {
  try {
    const note: unknown = JSON.parse(text)
    if (typeof note === 'object' && note !== null) return { ...EMPTY_NOTE, ...note }
  } catch {
    // Not JSON.
  }
  return EMPTY_NOTE
}

/** What holds of a queue: the override, else what code declares. */
export function effectiveOptions({ declared, overridden }: QueueNote): QueueOptions {
  return { ...declared, ...overridden }
}

/** The options as a store takes them. */
export function settingsOf(options: QueueOptions, paused: boolean): QueueSettings {
  const { concurrency, rateLimit, maxWaiting, perKey, fair, keep, keepDead } = options
  const order = perKey?.order === true
  return {
    paused,
    concurrency,
    rate: rateLimit === undefined ? undefined : { limit: rateLimit.limit, perMs: rateLimit.per },
    maxWaiting,
    key: {
      order,
      concurrency: order ? 1 : perKey?.concurrency,
      rate:
        perKey?.rateLimit === undefined ? undefined : { limit: perKey.rateLimit.limit, perMs: perKey.rateLimit.per },
    },
    fairMs: fair === true ? FAIR_MS : typeof fair === 'object' ? fair.quantum : 0,
    keep: retentionOf(keep, DEFAULT_QUEUE_SETTINGS.keep),
    keepDead: retentionOf(keepDead, DEFAULT_QUEUE_SETTINGS.keepDead),
  }
}

/** The same whatever the order of their names. */
export function isSameOptions(one: QueueOptions, other: QueueOptions): boolean {
  return canonical(one) === canonical(other)
}

function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? ''
  const entries = Object.entries(value).filter(([, each]) => each !== undefined)
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, each]) => `${name}:${canonical(each)}`)
    .join(',')}}`
}

function retentionOf(keep: Keep | undefined, otherwise: TaskRetention): TaskRetention {
  return {
    ageMs: keep?.age ?? otherwise.ageMs,
    count: keep?.count ?? otherwise.count,
    bytes: keep?.bytes ?? otherwise.bytes,
  }
}
