import { MillraceError } from '../runtime/error.ts'

/**
 * Something that is defined once and can be started by name, whatever it is: a task, a workflow. How features reach each other
 * without importing one another.
 */
export interface Target {
  readonly kind: string
  readonly name: string
  /**
   * Starts it under this id, once however often it is called. Throws `publish_unknown` when it may have been stored; after any other error it
   * certainly was not.
   */
  start(input: unknown, options: StartOptions): Promise<{ readonly id: string }>
  /** Waits for its end and gives its output. Throws `wait_timeout`, `aborted`, and the error with which it ended. */
  result(id: string, options?: { readonly timeout?: number; readonly signal?: AbortSignal }): Promise<unknown>
  /**
   * Cancels what has not begun: true only if it never will. After the signal has fired nothing is cancelled any more; what was cancelled too late
   * is brought back.
   */
  cancel(id: string, options?: { readonly signal?: AbortSignal }): Promise<boolean>
  /** How long what has waited longest has waited, in milliseconds. Throws `engine_*`. */
  waitMs(): Promise<number>
  /** What a handler would see of this input. Throws what `start` throws for a wrong one. */
  checkInput(input: unknown): unknown
  /** What its callers would see of this output. Throws what ends a task whose output is wrong. Absent: anything is right. */
  readonly checkOutput?: (output: unknown) => unknown
}

export interface StartOptions {
  readonly id: string
  readonly key?: string
  readonly signal?: AbortSignal
}

/** The targets of one backbone. */
export interface Targets {
  /** The same kind and name again replaces the one before. */
  register(target: Target): void
  get(kind: string, name: string): Target | undefined
  /** Throws `not_found`. */
  need(kind: string, name: string): Target
  list(kind: string): readonly Target[]
}

/** An empty registry. */
export function createTargets(): Targets {
  const targets = new Map<string, Target>()
  return {
    register: (target) => void targets.set(`${target.kind} ${target.name}`, target),
    get: (kind, name) => targets.get(`${kind} ${name}`),
    need(kind, name) {
      const target = targets.get(`${kind} ${name}`)
      if (target !== undefined) return target
      throw new MillraceError('not_found', `This process knows no ${kind} "${name}".`, { facts: { kind, name } })
    },
    list: (kind) => [...targets.values()].filter((target) => target.kind === kind),
  }
}
