import type { Setting } from '../driver/setting-store.ts'
import { createEventIndex, type EventIndex } from './event-index.ts'
import type { GroupState } from './group-state.ts'
import { createLetterBox, type LetterBox } from './dead-letters.ts'
import { createScheduleTable, type ScheduleTable } from './tasks/schedules.ts'
import { createTaskTable, type TaskTable } from './tasks/task-table.ts'
import type { TopicState } from './topic-state.ts'

const DEFAULT_MAX_BYTES = 512 * 1024 * 1024

/**
 * The state of a memory engine: what a server would keep. Every operation on it is a plain function that takes the time
 * as a value, does no I/O and never waits. Share one between several `memory({ engine })` to let them work together.
 */
export interface MemoryEngine {
  /** Bytes that events, side lanes, dead letters and tasks may take before more is refused with `engine_full`. */
  readonly maxBytes: number
  /** Bytes that they take, roughly. */
  bytes: number
  readonly topics: Map<string, TopicState>
  readonly groups: Map<string, GroupState>
  readonly index: EventIndex
  readonly letters: LetterBox
  readonly tasks: TaskTable
  readonly schedules: ScheduleTable
  readonly settings: Map<string, Setting>
  /** Counts up for fencing tokens, lane entries and dead letters: never given twice. */
  lastNumber: number
}

/** The time of one operation, read once by whoever calls the engine; both in milliseconds. */
export interface Instant {
  /** Since the epoch, for stamps. */
  readonly now: number
  /** From an arbitrary start and never going back, for delays. */
  readonly monotonic: number
}

/** An empty engine. */
export function createMemoryEngine({
  maxBytes = DEFAULT_MAX_BYTES,
}: { readonly maxBytes?: number } = {}): MemoryEngine {
  return {
    maxBytes,
    bytes: 0,
    topics: new Map(),
    groups: new Map(),
    index: createEventIndex(),
    letters: createLetterBox(),
    tasks: createTaskTable(),
    schedules: createScheduleTable(),
    settings: new Map(),
    lastNumber: 0,
  }
}
