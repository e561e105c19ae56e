/** What decides where the calls of an operation run. It can be changed while they do. */
export interface OperationSettings {
  /**
   * `sync`: here, in the process of the caller. `async`: as a task, always. `auto`: as a task, for the share of keys that is rolled out and while the
   * queue is quick enough.
   */
  readonly mode: 'auto' | 'sync' | 'async'
  /** What happens to a call that should be a task and cannot: it runs here, within limits, or fails at once with `circuit_open`. */
  readonly fallback: 'sync' | 'fail'
  /** With `auto`: how many of a hundred keys go to the queue, 0-100. The same keys at any time, and more of them as it grows. */
  readonly rollout: number
  /** With `auto`: calls fall back while what has waited longest in the queue has waited for more milliseconds than this. */
  readonly maxWaitMs: number | undefined
}

/** Settings to change; `null` goes back to what the code says. */
export type OperationChange = {
  readonly [Name in keyof OperationSettings]?: Exclude<OperationSettings[Name], undefined> | null
} & {
  /** Who changes it, for those who wonder. */
  readonly by?: string
}

/** The definition of a task, as far as operations look at it. */
export interface OperationTask {
  readonly name: string
  readonly types?: {
    readonly input: unknown
    readonly data: unknown
    readonly returned: unknown
    readonly output: unknown
  }
}

type TypesOf<Task> = Task extends { readonly types?: infer Types } ? NonNullable<Types> : never
type InputOf<Task> = TypesOf<Task> extends { readonly input: infer Input } ? Input : never
type DataOf<Task> = TypesOf<Task> extends { readonly data: infer Data } ? Data : never
type ReturnedOf<Task> = TypesOf<Task> extends { readonly returned: infer Returned } ? Returned : never
type OutputOf<Task> = TypesOf<Task> extends { readonly output: infer Output } ? Output : never

/** Options of `operation`. */
export interface OperationOptions<Task extends OperationTask> {
  /** The task that does it when it goes to the queue. */
  readonly task: Task
  /** Does it here. It sees the input as a worker of the task would. */
  readonly run: (input: DataOf<Task>, call: RunContext) => ReturnedOf<Task> | Promise<ReturnedOf<Task>>
  /** Default `auto`. */
  readonly mode?: OperationSettings['mode']
  /** Default `sync`. */
  readonly fallback?: OperationSettings['fallback']
  /** Default 100. */
  readonly rollout?: number
  /** Default: no bound. */
  readonly maxWaitMs?: number
  /** True: doing it twice does no harm. Then a call of which nobody knows whether the queue has it runs here too. Default false. */
  readonly idempotent?: boolean
  /** Milliseconds that adding the task may take before it is called off. Default 1,000. */
  readonly startTimeoutMs?: number
  /** How many calls run here at once (default 20), and how many may wait for that (default 100); beyond: `bulkhead_full`. */
  readonly limits?: { readonly concurrency?: number; readonly queued?: number }
  /**
   * After how many failures in a row the queue is left alone (default 3), and after how many milliseconds it is looked at again: at first (default
   * 1,000), and at most (default 15,000) when it goes on failing.
   */
  readonly circuit?: { readonly failures?: number; readonly retryMs?: number; readonly maxRetryMs?: number }
}

/** What `run` knows beside the input. */
export interface RunContext {
  /** The id of the call: that which its task would have had. */
  readonly id: string
  readonly key: string | undefined
  readonly reason: RouteReason
  /** The signal of the caller; one that never fires when he gave none. */
  readonly signal: AbortSignal
}

/** Why a call went where it went. */
export type RouteReason =
  /** The mode says so. */
  | 'mode'
  /** Its key is, or is not, among those that are rolled out. */
  | 'rollout'
  /** The circuit is open: the queue failed several times in a row. */
  | 'queue-down'
  /** The queue lets tasks wait for longer than `maxWaitMs`. */
  | 'queue-slow'
  /** Adding this very task failed, and it is certain that the queue does not have it. */
  | 'queue-failed'
  /** Whether the queue has this task is not known; the operation is idempotent. */
  | 'queue-unknown'

/** Options of a call. */
export interface CallOptions {
  /** The id of the task; the same id is done once, as long as its task is kept. Default: a new one. */
  readonly id?: string
  /** What the roll-out looks at, and the key of the task unless its definition has a rule. Default: each call for itself. */
  readonly key?: string
  readonly signal?: AbortSignal
}

export interface ResultOptions {
  /** Milliseconds. Default 30,000; 0 is without limit. */
  readonly timeout?: number
  readonly signal?: AbortSignal
}

/** A call that runs, here or as a task. */
export interface OperationCall<Output = unknown> {
  readonly id: string
  readonly mode: 'sync' | 'async'
  readonly reason: RouteReason
  /** The output. Throws what `run` threw, or what the handle of a task throws; `wait_timeout`, `aborted`. */
  result(options?: ResultOptions): Promise<Output>
}

/** Work that is done here or as a task, whichever is right at the moment. */
export interface Operation<Input = unknown, Output = unknown> {
  readonly name: string
  /**
   * Begins a call: resolves when its task is stored, or when it has begun or waits to begin here. Throws `circuit_open` (the queue is down or slow and
   * `fallback` is `fail`), `bulkhead_full`, `publish_unknown` (the queue may have it: call again with the same id, or look at `result(id)`),
   * `task_input_invalid`, `aborted`.
   */
  start(input: Input, options?: CallOptions): Promise<OperationCall<Output>>
  /** As `start`, and waits for the output. */
  run(input: Input, options?: CallOptions & { readonly timeout?: number }): Promise<Output>
  /** The output of a call that went to the queue, by its id. */
  result(id: string, options?: ResultOptions): Promise<Output>
  readonly status: OperationStatus
  /** Changes it in all processes: here at once, elsewhere within seconds. Throws `operation_invalid`, `capability_missing`, `engine_*`. */
  change(change: OperationChange): Promise<OperationView>
}

export type OperationOf<Task extends OperationTask> = Operation<InputOf<Task>, OutputOf<Task>>

/** How an operation does in this process. Times are RFC 3339. */
export interface OperationStatus extends OperationView {
  readonly task: string
  /** Where a call goes now that is among those rolled out, why, and since when. */
  readonly route: { readonly to: 'sync' | 'async' | 'fail'; readonly reason: RouteReason; readonly since: string }
  readonly circuit: CircuitStatus
  readonly queue: { readonly waitMs: number | undefined; readonly isSlow: boolean; readonly since: string }
  /** The calls that run here. */
  readonly here: {
    readonly running: number
    readonly queued: number
    readonly concurrency: number
    readonly room: number
  }
  /** The two modes beside each other, of the last calls of this process. */
  readonly comparison: { readonly since: string; readonly sync: ModeFigures; readonly async: ModeFigures }
}

export interface CircuitStatus {
  /** `open`: nothing is sent to the queue. `half-open`: it answers again, and the next call tries it. */
  readonly state: 'closed' | 'open' | 'half-open'
  /** The failure that opened it: code and message. */
  readonly reason: string | undefined
  readonly since: string
}

/** Milliseconds are of at most the last 1,000 calls that were measured. */
export interface ModeFigures {
  readonly calls: number
  readonly failures: number
  /** Calls whose end was seen; of many tasks at once only some are followed. */
  readonly measured: number
  readonly p50Ms: number | undefined
  readonly p95Ms: number | undefined
}

/** The settings of an operation as the store, the environment and the code make them. */
export interface OperationView {
  readonly name: string
  /** False: this process has no definition of it and knows only what is stored. */
  readonly isDefined: boolean
  readonly settings: Partial<OperationSettings>
  /** Who has the say on each: the environment of this process, else the store, else the code. */
  readonly from: Readonly<Partial<Record<keyof OperationSettings, 'code' | 'store' | 'environment'>>>
  /** RFC 3339, of the last change in the store. */
  readonly changedAt: string | undefined
  readonly changedBy: string | undefined
  /** Why the stored settings are not the ones in use: the store does not answer, or what it has makes no sense. */
  readonly problem: string | undefined
}

/** All operations, for tools. */
export interface Operations {
  /** Defines one. Throws `operation_invalid`. */
  define<const Task extends OperationTask>(name: string, options: OperationOptions<Task>): OperationOf<Task>
  /** Those that are defined here, and those that the store has settings of. */
  list(): Promise<readonly (OperationView | OperationStatus)[]>
  get(name: string): Promise<OperationView | OperationStatus | undefined>
  /** As `Operation.change`, for any process, also one that does not define it. */
  change(name: string, change: OperationChange): Promise<OperationView>
  /** Stops looking at the store. What runs goes on. */
  close(): void
}
