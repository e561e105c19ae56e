import type { TaskEntry } from './task-history.ts'

/** When an entry was written, in milliseconds of a clock that all processes share, and by which process. */
export interface HistoryStamp {
  readonly at: number
  readonly process: string
}

/** A call of `publish`. `info` means that the outcome is unknown: the event may or may not be stored. */
export type PublishEntry =
  | { readonly kind: 'publish'; readonly phase: 'invoke'; readonly id: string; readonly type: string }
  | { readonly kind: 'publish'; readonly phase: 'ok'; readonly id: string }
  | { readonly kind: 'publish'; readonly phase: 'fail' | 'info'; readonly id: string; readonly code: string }

/** A run of a handler. `run` is unique within the process. */
export type HandleEntry =
  | (HandledEvent & { readonly kind: 'handle'; readonly phase: 'start'; readonly run: number })
  | { readonly kind: 'handle'; readonly phase: 'end'; readonly run: number; readonly outcome: HandleOutcome }

export type HandleOutcome = 'done' | 'retry' | 'reject' | 'throw' | 'timeout' | 'abandoned'

export interface HandledEvent {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly position: string
  readonly id: string
  readonly key: string | undefined
  readonly attempt: number
  readonly generation: number
}

/** A partition of a group with the token of its lease. */
export interface LeasedPlace {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly token: number
}

/** What a member did to the leases and the state of its group, as the engine's port saw it. */
export type StoreEntry =
  | (LeasedPlace & { readonly kind: 'claim'; readonly clean: boolean })
  | (LeasedPlace & { readonly kind: 'give-back'; readonly clean: boolean })
  | (LeasedPlace & {
      readonly kind: 'write'
      readonly operation: 'settle' | 'lane-add' | 'lane-settle' | 'dead-letter'
      /** When the call was made; the entry is written when it comes back. */
      readonly invokedAt: number
      readonly accepted: boolean
    })

/** What was done to processes and by operators. */
export type NemesisEntry =
  | { readonly kind: 'process'; readonly phase: 'start' | 'kill' | 'pause' | 'stop' | 'cut' }
  | { readonly kind: 'engine'; readonly phase: 'crash' | 'stall' | 'restart' }
  | {
      readonly kind: 'requeue'
      readonly phase: 'invoke' | 'ok'
      readonly group: string
      readonly ids: readonly string[]
    }
  | {
      readonly kind: 'replay'
      readonly phase: 'invoke' | 'ok'
      readonly group: string
      readonly ids: readonly string[]
    }

/** One line of a history. */
export type HistoryEntry = HistoryStamp & (PublishEntry | HandleEntry | StoreEntry | TaskEntry | NemesisEntry)
/** An entry before it is stamped. */
export type Unstamped = PublishEntry | HandleEntry | StoreEntry | TaskEntry | NemesisEntry

/** What the engine holds when all is over. */
export interface FinalState {
  readonly events: readonly FinalEvent[]
  readonly letters: readonly FinalLetter[]
  readonly groups: readonly FinalGroup[]
}

export interface FinalEvent {
  readonly id: string
  readonly type: string
  readonly topic: string
  readonly partition: number
  readonly position: string
  readonly key: string | undefined
  readonly body: string
}

export interface FinalLetter {
  readonly group: string
  readonly id: string
  readonly topic: string
  readonly partition: number
  readonly position: string
  readonly body: string
  readonly attempts: number
  readonly code: string
}

export interface FinalGroup {
  readonly group: string
  /** Exact types and patterns. */
  readonly types: readonly string[]
  readonly ordering: 'key' | 'none'
  /** Attempts allowed. */
  readonly attempts: number
  /** Events not settled, and entries in the side lane. */
  readonly lag: number
  readonly waiting: number
}
