export const TASK_STATES = [
  'blocked',
  'delayed',
  'waiting',
  'ready',
  'suspect',
  'running',
  'done',
  'dead',
  'cancelled',
  'expired',
] as const

/** `suspect`: ready, but its worker died with it; it is run with no other suspect beside it in the same process. */
export type TaskState = (typeof TASK_STATES)[number]

export interface NewTask {
  readonly id: string
  readonly queue: string
  /** The name of its definition: only workers that know it claim it. */
  readonly name: string
  /** Opaque to the store: input and metadata as JSON. */
  readonly body: string
  readonly key: string | undefined
  readonly tenant: string | undefined
  readonly headStartMs: number
  /** From now. 0: due at once. */
  readonly delayMs: number
  /** From now: after this it is not started any more. */
  readonly expiresInMs: number | undefined
  /** Ignored for tasks of a flow. */
  readonly dedupe: TaskDedupe | undefined
  /**
   * The task that waits for this one, added in the same call. When this one ends in another way than `done` and the parent is `failFast`, the
   * parent is dead with `task_child_failed`, and what is left of its children is cancelled.
   */
  readonly parent: string | undefined
  /**
   * How many tasks of the same call have this one as parent: it is blocked until all of them have ended. Those whose ids are there already
   * do not count, and to a parent that is there already none are added: they have no parent then.
   */
  readonly children: number
  readonly failFast: boolean
}

/** While a dedupe key is held, another task with it in the same queue is not added. */
export interface TaskDedupe {
  readonly key: string
  /**
   * What happens to the holder that has not started: `keep` leaves it; `replace` gives it the body, head start and expiry of the new one; `debounce`
   * that, and the delay begins anew, its time with it. A holder that was ever claimed, or has ended, is left alone by `replace` and `debounce`: the new
   * task is added and holds the key, and the former holder frees it no more.
   */
  readonly mode: 'keep' | 'replace' | 'debounce'
  /** Until when this task holds the key: until it starts (or ends), until it has ended, or for `windowMs` from its adding whatever it does. */
  readonly until: 'start' | 'end' | 'window'
  readonly windowMs: number | undefined
}

/** Times are milliseconds since the epoch by the engine's clock. */
export interface TaskRow {
  readonly id: string
  readonly queue: string
  readonly name: string
  readonly state: TaskState
  readonly body: string
  readonly key: string | undefined
  readonly tenant: string | undefined
  readonly headStartMs: number
  readonly attempts: number
  readonly starts: number
  readonly crashes: number
  /** Of what runs. */
  readonly worker: string | undefined
  readonly addedAt: number
  /** When it is or was due. */
  readonly dueAt: number
  readonly startedAt: number | undefined
  readonly endedAt: number | undefined
  readonly expiresAt: number | undefined
  /** Why a delayed task is delayed. */
  readonly delayedBy: 'delay' | 'retry' | 'rate' | undefined
  readonly cancelling: boolean
  readonly dedupeKey: string | undefined
  readonly parent: string | undefined
  /** Children that have not ended, also of a task that has. */
  readonly pendingChildren: number
  readonly output: string | undefined
  /** The last failure. */
  readonly error: TaskError | undefined
  readonly progress: string | undefined
}

/** Its texts are well-formed: they have no halves of characters. */
export interface TaskError {
  readonly code: string
  readonly message: string
  readonly stack: string | undefined
  /** Equal failures have equal fingerprints. */
  readonly fingerprint: string
}

export interface ChildOutcome {
  readonly id: string
  readonly name: string
  readonly state: 'done' | 'dead' | 'cancelled' | 'expired'
  readonly output: string | undefined
  readonly error: TaskError | undefined
}
