import type { TaskState } from '../driver/task.ts'

/** Why a task is not running. The first reason is the one that holds it up now; several may hold. */
export interface TaskExplanation {
  readonly id: string
  readonly state: TaskState
  /** One sentence for people. */
  readonly text: string
  readonly reasons: readonly WaitReason[]
}

export type WaitReason =
  /** Not due yet, or waiting for its next attempt. */
  | { readonly kind: 'delayed'; readonly until: string; readonly by: 'delay' | 'retry' }
  /** Its key is out of tokens. */
  | { readonly kind: 'key-rate'; readonly key: string; readonly until: string }
  /** Others of its key hold all places; `running` names some. */
  | { readonly kind: 'key-busy'; readonly key: string; readonly running: readonly string[] }
  | { readonly kind: 'children'; readonly pending: number }
  | { readonly kind: 'queue-paused' }
  | { readonly kind: 'queue-concurrency'; readonly limit: number; readonly running: number }
  /** Its queue is out of tokens; `until` is when the next comes. */
  | { readonly kind: 'queue-rate'; readonly limit: number; readonly per: number; readonly until: string }
  /** No living worker takes its name from its queue; `elsewhere` are the queues that it is taken from, where somebody knows it. */
  | { readonly kind: 'no-worker'; readonly name: string; readonly elsewhere?: readonly string[] }
  /** How many of its queue are claimed before it; `atLeast` when there are more than were counted. */
  | { readonly kind: 'behind'; readonly ahead: number; readonly atLeast: boolean }
  /** Its worker died with it: it runs when no other suspect runs beside it. */
  | { readonly kind: 'suspect'; readonly crashes: number }
  | { readonly kind: 'running'; readonly worker: string | undefined; readonly since: string | undefined }
  | { readonly kind: 'ended' }
