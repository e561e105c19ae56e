import { reject, retry, type Reject, type RetryLater } from '../bus/handler.ts'
import type { HeldTask } from './held-task.ts'
import type { ProgressReport } from './progress.ts'
import { initialProgress, reportProgress } from './progress-state.ts'
import type { ChildResult } from './task-flow.ts'
import type { BatchedTask, TaskMetadata } from './task-handler.ts'

/** What contexts reach back to. */
export interface ContextLinks {
  /** The monotonic clock. */
  readonly now: () => number
  /** The task has something to tell. */
  readonly note: (held: HeldTask) => void
  readonly children: (id: string) => Promise<readonly ChildResult[]>
}

const LOG_LINES = 1_000
const LOG_CHARACTERS = 4_096
const NO_FLOW = { correlationId: '' }

/** What a handler is given beside the input. A class for its getters, which cost nothing until they are looked at. */
export class LazyTaskContext implements BatchedTask {
  readonly input: unknown
  readonly #held: HeldTask
  readonly #links: ContextLinks

  constructor(input: unknown, held: HeldTask, links: ContextLinks) {
    this.input = input
    this.#held = held
    this.#links = links
  }

  get id(): string {
    return this.#held.task.id
  }

  get name(): string {
    return this.#held.task.name
  }

  get queue(): string {
    return this.#held.task.queue
  }

  get key(): string | undefined {
    return this.#held.task.key
  }

  get tenant(): string | undefined {
    return this.#held.task.tenant
  }

  get attempt(): number {
    return this.#held.task.attempts + 1
  }

  get metadata(): TaskMetadata {
    return this.#held.body?.metadata ?? NO_FLOW
  }

  get ageMs(): number {
    return this.#held.task.ageMs + (this.#links.now() - this.#held.claimedAt)
  }

  /** Made on demand; a handler that looks only when it was ended gets one that has fired. */
  get signal(): AbortSignal {
    const held = this.#held
    if (held.controller === undefined) {
      held.controller = new AbortController()
      if (held.ended || held.cancelled) held.controller.abort(held.endReason)
    }
    return held.controller.signal
  }

  progress(report: ProgressReport): void {
    const held = this.#held
    if (held.ended || typeof report !== 'object' || report === null) return
    const now = this.#links.now()
    try {
      held.progress = reportProgress(held.progress ?? initialProgress(held.startedAt), report, now)
    } catch {
      // A report that cannot be read says nothing.
      return
    }
    this.#links.note(held)
  }

  log(line: string): void {
    const held = this.#held
    if (held.ended) return
    held.logs ??= []
    if (held.logs.length === LOG_LINES) held.logs.shift()
    held.logs.push(shown(line).slice(0, LOG_CHARACTERS).toWellFormed())
    this.#links.note(held)
  }

  async children(): Promise<readonly ChildResult[]> {
    return this.#held.task.hasChildren ? this.#links.children(this.id) : []
  }

  retry(options: { readonly after: number }): RetryLater {
    return retry(options)
  }

  reject(reason: string): Reject {
    return reject(reason)
  }
}

/** Whatever a program without types logs. */
function shown(line: unknown): string {
  try {
    return String(line)
  } catch {
    return 'A line that cannot be shown as text.'
  }
}
