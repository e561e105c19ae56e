import type { Progress, ProgressReport } from './progress.ts'

/** How far a task has come, with what is needed to say how long it will take. */
export interface ProgressState {
  readonly done: number
  readonly total: number | undefined
  readonly stage: string | undefined
  readonly message: string | undefined
  /** Of the last report that moved `done`, on the monotonic clock. */
  readonly movedAtMs: number
  /** Smoothed units per millisecond; undefined until something has moved. */
  readonly pace: number | undefined
}

const LONGEST_TEXT = 1_024
/** The half-life of what has been seen of the pace. */
const HALF_LIFE_MS = 10_000

/** Where a task begins. */
export function initialProgress(nowMs: number): ProgressState {
  return { done: 0, total: undefined, stage: undefined, message: undefined, movedAtMs: nowMs, pace: undefined }
}

/**
 * The state after a report. What makes no sense is put right: a number that is none, negative or endless is left out, `done` goes
 * no further than `total`, and a report that goes back does not lower `done` unless the total or stage changes with it. Pure.
 */
export function reportProgress(state: ProgressState, report: ProgressReport, nowMs: number): ProgressState {
  const total = amount(report.total) ?? state.total
  const stage = text(report.stage) ?? state.stage
  const restarted = total !== state.total || stage !== state.stage
  const wanted = amount(report.done) ?? state.done
  const raised = restarted ? wanted : Math.max(state.done, wanted)
  const done = total === undefined ? raised : Math.min(raised, total)
  const moved = done - state.done
  const message = text(report.message) ?? state.message
  if (moved <= 0) return { ...state, done, total, stage, message }
  const elapsedMs = Math.max(nowMs - state.movedAtMs, 0)
  return { done, total, stage, message, movedAtMs: nowMs, pace: smoothed(state.pace, moved, elapsedMs) }
}

/** The state as it is kept and shown. */
export function progressOf({ done, total, stage, message, pace }: ProgressState, at: string): Progress {
  return {
    done,
    total,
    stage,
    message,
    percent: total === undefined ? undefined : total === 0 ? 100 : Math.round((done / total) * 1_000) / 10,
    remainingMs: total === undefined || pace === undefined ? undefined : remaining(total - done, pace),
    at,
  }
}

/** The longer a stretch, the more it says; many reports of one moment count as one. */
function smoothed(pace: number | undefined, moved: number, elapsedMs: number): number | undefined {
  if (elapsedMs === 0) return pace
  const now = moved / elapsedMs
  if (pace === undefined) return now
  const kept = 0.5 ** (elapsedMs / HALF_LIFE_MS)
  return pace * kept + now * (1 - kept)
}

function remaining(left: number, pace: number): number | undefined {
  const ms = Math.round(left / pace)
  return Number.isFinite(ms) ? ms : undefined
}

/** Without the sign of -0, which JSON cannot carry. */
function amount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value + 0 : undefined
}

/** A cut may leave half of a character, which not every engine can keep. */
function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value.slice(0, LONGEST_TEXT).toWellFormed() : undefined
}
