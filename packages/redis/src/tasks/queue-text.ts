import {
  DEFAULT_QUEUE_SETTINGS,
  type QueueSettings,
  type QueueStatus,
  TASK_STATES,
  type TaskState,
} from '@millrace/core/driver'
import { decodeName } from './task-text.ts'

/** JSON has no infinity: this stands for it. */
const ENDLESS = 1e300

/** Settings and note as the script stores them, its version put before them. */
export function encodeSettings(settings: QueueSettings, note: string): string {
  return JSON.stringify({ settings, note }, (_, value: unknown) => (value === Infinity ? ENDLESS : value))
}

/** Name, what is stored or '', counts by state, oldest ready in milliseconds or -1, names with ready tasks, milliseconds until the next token or -1. */
export type QueueReply = readonly [
  name: string,
  stored: string,
  counts: readonly number[],
  oldestReadyMs: number,
  readyNames: readonly string[],
  nextTokenMs: number,
]

export function decodeQueue([name, stored, counts, oldestReadyMs, readyNames, nextTokenMs]: QueueReply): QueueStatus {
  const { version, settings, note } = stored === '' ? UNSET : readStored(stored)
  return {
    name: decodeName(name),
    version,
    settings,
    note,
    counts: Object.fromEntries(TASK_STATES.map((state, at) => [state, counts[at] ?? 0])) as Record<TaskState, number>,
    exact: true,
    oldestReadyMs: oldestReadyMs < 0 ? undefined : oldestReadyMs,
    nextTokenMs: nextTokenMs < 0 ? undefined : nextTokenMs,
    readyNames: readyNames.map(decodeName).toSorted(),
  }
}

interface Stored {
  readonly version: number
  readonly settings: QueueSettings
  readonly note: string
}

const UNSET: Stored = { version: 0, settings: DEFAULT_QUEUE_SETTINGS, note: '' }

function readStored(text: string): Stored {
  const { version, settings, note } = JSON.parse(text, (_, value: unknown) =>
    value === ENDLESS ? Infinity : value,
  ) as Stored
  const { paused, concurrency, rate, maxWaiting, key, fairMs, keep, keepDead } = settings
  const ofKeys = { order: key.order, concurrency: key.concurrency, rate: key.rate }
  return { version, note, settings: { paused, concurrency, rate, maxWaiting, key: ofKeys, fairMs, keep, keepDead } }
}
