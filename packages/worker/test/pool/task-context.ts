import type { TaskContext } from '@millrace/core'

/** What a worker hands to a handler, with what the handler said of itself. */
export interface WatchedTask {
  readonly task: TaskContext
  readonly reports: unknown[]
  readonly lines: string[]
  abort(reason?: Error): void
}

/** A task as a handler sees it. */
export function watchedTask(id = 'task-1'): WatchedTask {
  const controller = new AbortController()
  const reports: unknown[] = []
  const lines: string[] = []
  const task: TaskContext = {
    id,
    name: 'image.resize',
    queue: 'images',
    key: 'k',
    tenant: undefined,
    attempt: 2,
    metadata: { correlationId: 'c-1' },
    ageMs: 5,
    signal: controller.signal,
    progress: (report) => void reports.push(report),
    log: (line) => void lines.push(line),
    children: async () => [{ id: 'child', name: 'x', state: 'done', output: 7, error: undefined }],
    retry: ({ after }) => ({ outcome: 'retry', afterMs: after }),
    reject: (reason) => ({ outcome: 'reject', reason }),
  }
  return { task, reports, lines, abort: (reason = new Error('enough')) => controller.abort(reason) }
}
