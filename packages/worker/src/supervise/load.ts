import type { Worker } from '@millrace/core'

/** What a worker process reports of itself. */
export interface ProcessLoad {
  readonly slots: number
  readonly busy: number
  /** Tasks that are claimed and have not begun. */
  readonly buffered: number
  /** Smoothed milliseconds that tasks waited in the queue. */
  readonly waitMs: number
  /** Tasks that have ended so far. */
  readonly done: number
  /** Milliseconds that those took, all together. */
  readonly tookMs: number
}

/** What a queue says of itself. */
export interface QueueLoad {
  /** Tasks that are ready. */
  readonly backlog: number
  /** How long what has waited longest has waited, in milliseconds. */
  readonly waitMs: number
}

/** What supervision needs of a worker. */
export type SupervisedWorker = Pick<Worker, 'setConcurrency' | 'stop'> & {
  readonly status: Pick<
    Worker['status'],
    'concurrency' | 'buffered' | 'utilisation' | 'queueWaitMs' | 'done' | 'failed' | 'tookMs'
  >
}

/** From a worker process to its supervisor. */
export interface LoadMessage {
  readonly millrace: 'load'
  readonly load: ProcessLoad
}

/** From the supervisor to a worker process: room for so many tasks, over all of its workers. */
export interface SlotsMessage {
  readonly millrace: 'slots'
  readonly slots: number
}

/** The load of all workers of this process together. */
export function loadOf(workers: readonly SupervisedWorker[]): ProcessLoad {
  const all = workers.map(({ status }) => status)
  const sum = (value: (status: SupervisedWorker['status']) => number): number =>
    all.reduce((total, status) => total + value(status), 0)
  return {
    slots: sum(({ concurrency }) => concurrency),
    busy: sum(({ concurrency, utilisation }) => concurrency * utilisation),
    buffered: sum(({ buffered }) => buffered),
    waitMs: Math.max(0, ...all.map(({ queueWaitMs }) => queueWaitMs)),
    done: sum(({ done, failed }) => done + failed),
    tookMs: sum(({ tookMs }) => tookMs),
  }
}
