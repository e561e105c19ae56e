import type { ChildOutcome, TaskRow } from '../driver/task.ts'
import { priorityOf } from './priority.ts'
import type { Progress } from './progress.ts'
import { decodeTaskBody } from './task-body.ts'
import type { ChildResult } from './task-flow.ts'
import type { TaskView } from './task-view.ts'

/** A row of the store as tools see it. */
export function viewOf(row: TaskRow): TaskView {
  return {
    id: row.id,
    name: row.name,
    queue: row.queue,
    state: row.state,
    ...contentOf(row.body),
    key: row.key,
    tenant: row.tenant,
    priority: priorityOf(row.headStartMs),
    attempts: failedAttempts(row),
    starts: row.starts,
    crashes: row.crashes,
    worker: row.worker,
    addedAt: timeOf(row.addedAt),
    dueAt: timeOf(row.dueAt),
    startedAt: row.startedAt === undefined ? undefined : timeOf(row.startedAt),
    endedAt: row.endedAt === undefined ? undefined : timeOf(row.endedAt),
    expiresAt: row.expiresAt === undefined ? undefined : timeOf(row.expiresAt),
    delayedBy: row.delayedBy,
    cancelling: row.cancelling,
    dedupeKey: row.dedupeKey,
    parent: row.parent,
    pendingChildren: row.pendingChildren,
    output: jsonOf(row.output),
    error: row.error,
    progress: progressIn(row),
  }
}

/** Failed attempts, the last one of what is dead included: the store counts those that were tried again. */
export function failedAttempts({ state, attempts, error }: Pick<TaskRow, 'state' | 'attempts' | 'error'>): number {
  const failedLast = state === 'dead' && error?.code !== 'task_child_failed' && error?.code !== 'task_killed_worker'
  return failedLast ? attempts + 1 : attempts
}

/** How a child has ended, as its parent sees it. */
export function childResultOf({ output, error, ...outcome }: ChildOutcome): ChildResult {
  return {
    ...outcome,
    output: jsonOf(output),
    error: error === undefined ? undefined : { code: error.code, message: error.message },
  }
}

/** The progress that a task has reported last. */
export function progressIn({ progress }: Pick<TaskRow, 'progress'>): Progress | undefined {
  const value = jsonOf(progress)
  return typeof value === 'object' && value !== null ? (value as Progress) : undefined
}

function contentOf(body: string): Pick<TaskView, 'input' | 'metadata'> {
  try {
    const { input, metadata } = decodeTaskBody(body)
    return { input, metadata }
  } catch {
    return { input: undefined, metadata: {} }
  }
}

function jsonOf(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A time that no calendar has (a delay without end) is shown as its last one. */
function timeOf(ms: number): string {
  return new Date(Math.min(ms, LAST_MS)).toISOString()
}

const LAST_MS = 253_402_300_799_999
