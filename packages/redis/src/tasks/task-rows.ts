import { TASK_STATES, type TaskRow } from '@millrace/core/driver'
import { decodeError, decodeName, decodeOptional } from './task-text.ts'

/** Of each task: id, lines of numbers and of its shape, body, output, error, progress; '' for what is not there. */
export function decodeRows(reply: readonly (string | null)[]): TaskRow[] {
  const rows: TaskRow[] = []
  for (let at = 0; at + 5 < reply.length; at += 6) {
    const [id, lines, body, output, error, progress] = reply.slice(at, at + 6).map((text) => text ?? '')
    rows.push({
      ...readLines(lines ?? ''),
      id: decodeName(id ?? ''),
      body: body ?? '',
      output: output === '' ? undefined : output,
      error: decodeError(error),
      progress: progress === '' ? undefined : progress,
    })
  }
  return rows
}

const DELAYED_BY = [undefined, 'delay', 'retry', 'rate'] as const

function readLines(text: string): Omit<TaskRow, 'id' | 'body' | 'output' | 'error' | 'progress'> {
  const lines = text.split('\n')
  const [worker = '', dedupeKey = '', , state, by, , cancelling, starts, attempts, crashes, pending, addedAt, dueAt] =
    lines
  const [, , startedAt, endedAt, expiresAt] = lines.slice(13)
  const [queue = '', name = '', headStartMs, key = '', tenant = '', , parent = ''] = lines.slice(18)
  return {
    queue: decodeName(queue),
    name: decodeName(name),
    state: TASK_STATES[Number(state)] ?? 'done',
    key: decodeOptional(key),
    tenant: decodeOptional(tenant),
    headStartMs: Number(headStartMs),
    attempts: Number(attempts),
    starts: Number(starts),
    crashes: Number(crashes),
    worker: worker === '' ? undefined : decodeName(worker),
    addedAt: Number(addedAt),
    dueAt: Number(dueAt),
    startedAt: instant(startedAt),
    // To the microsecond, as the order of the ended goes.
    endedAt: endedAt === undefined || endedAt === '0' ? undefined : Number(endedAt) / 1_000,
    expiresAt: instant(expiresAt),
    delayedBy: DELAYED_BY[Number(by)],
    cancelling: cancelling === '1',
    dedupeKey: decodeOptional(dedupeKey),
    parent: decodeOptional(parent),
    pendingChildren: Number(pending),
  }
}

function instant(text: string | undefined): number | undefined {
  return text === undefined || text === '0' ? undefined : Number(text)
}

/** A list in parts that one script takes. */
export function inChunks<Value>(values: readonly Value[], size: number): Value[][] {
  const chunks: Value[][] = []
  for (let at = 0; at < values.length; at += size) chunks.push(values.slice(at, at + size))
  return chunks
}
