import type { TaskAttempt } from './task-outcome.ts'

/** What a handler of batches gave for one of its tasks; a promise stands for an answer that is still to come. */
export type BatchAnswer = TaskAttempt | PromiseLike<unknown>

/** The answers of a handler of batches for `tasks` tasks, in their order: `done`, `retry`, `reject`, an error, or a promise of it. */
export function answersOf(results: unknown, tasks: number): readonly BatchAnswer[] {
  const given: readonly unknown[] = Array.isArray(results) ? results : []
  if (given.length === tasks) return given.map((result) => (isPromiseLike(result) ? result : answerOf(result)))
  const error = wrongLength(tasks, results)
  return Array.from({ length: tasks }, () => ({ ok: false, error }))
}

/** One answer, when it is there. */
export function answerOf(result: unknown): TaskAttempt {
  if (result instanceof Error) return { ok: false, error: result }
  if (typeof result === 'object' && result !== null && 'outcome' in result) {
    if (result.outcome === 'done') return { ok: true, result: 'output' in result ? result.output : undefined }
    if (result.outcome === 'retry' || result.outcome === 'reject') return { ok: true, result }
  }
  const error = new TypeError('The handler of the batch gave no done(output), retry or reject for this task.')
  return { ok: false, error }
}

export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

function wrongLength(tasks: number, results: unknown): TypeError {
  const given = Array.isArray(results) ? `${results.length} results` : 'no array'
  return new TypeError(`The handler of the batch gave ${given} for ${tasks} tasks; give one for each, in their order.`)
}
