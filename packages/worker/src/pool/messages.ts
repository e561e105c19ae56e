/** What a handler in a pool is given, as plain data. */
export interface HandlerOrder {
  /** Marks the messages of this run: a process is used again, and messages of the run before may still be on their way. */
  readonly run: string
  /** The URL of the module of the handler. */
  readonly file: string
  /** The name of its export. */
  readonly name: string
  /** Runs after which its thread or process is worn. */
  readonly tasksEach: number
  readonly memoryMb: number | undefined
  readonly input: unknown
  readonly task: {
    readonly id: string
    readonly name: string
    readonly queue: string
    readonly key: string | undefined
    readonly tenant: string | undefined
    readonly attempt: number
    readonly metadata: unknown
    readonly ageMs: number
  }
}

/** From the worker of the queue to the handler. */
export type ToHandler =
  | { readonly run: string; readonly say: 'abort'; readonly reason: PlainError }
  | {
      readonly run: string
      readonly say: 'children'
      readonly results: unknown
      readonly error: PlainError | undefined
    }

/** From the handler. `worn`: its thread or process must not be used again. */
export type FromHandler =
  | { readonly run: string; readonly say: 'begun' }
  | {
      readonly run: string
      readonly say: 'news'
      readonly progress: PlainProgress | undefined
      readonly log: readonly string[]
    }
  | { readonly run: string; readonly say: 'children' }
  | { readonly run: string; readonly say: 'stray'; readonly error: PlainError }
  | { readonly run: string; readonly say: 'done'; readonly output: unknown; readonly worn: boolean }
  | { readonly run: string; readonly say: 'failed'; readonly error: PlainError; readonly worn: boolean }

export interface PlainProgress {
  readonly done?: number
  readonly total?: number
  readonly stage?: string
  readonly message?: string
}

/** An error as data: a clone of an error would lose its code. */
export interface PlainError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  readonly code: string | undefined
  readonly retriable: boolean | undefined
}

/** Takes out of anything thrown what can travel. */
export function plainError(thrown: unknown): PlainError {
  if (!(thrown instanceof Error)) {
    return { name: 'Error', message: textOf(thrown), stack: undefined, code: undefined, retriable: undefined }
  }
  const { code, retriable } = thrown as { code?: unknown; retriable?: unknown }
  return {
    name: thrown.name,
    message: thrown.message,
    stack: thrown.stack,
    code: typeof code === 'string' ? code : undefined,
    retriable: typeof retriable === 'boolean' ? retriable : undefined,
  }
}

/** An error again, with the name, code and stack that it had on the other side. */
export function errorFrom(plain: PlainError): Error {
  const error = new Error(plain.message)
  error.name = plain.name
  if (plain.stack !== undefined) error.stack = plain.stack
  return Object.assign(
    error,
    plain.code === undefined ? {} : { code: plain.code },
    plain.retriable === undefined ? {} : { retriable: plain.retriable },
  )
}

function textOf(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    return 'a value that has no text was thrown'
  }
}
