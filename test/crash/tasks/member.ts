import { createMillrace, isMillraceError, systemRuntime, type Millrace, type TaskContext } from '@millrace/core'
import { wait, type Engine, type Runtime } from '@millrace/core/driver'
import { recordingTasks, type TaskRunOutcome, type Unstamped } from '@millrace/core/testing'
import type { Points } from '../points.ts'
import { addNext } from './adding.ts'
import { SCHEDULES, TASKS, Tick, treatmentOf, type Work } from './tasks.ts'

export interface TaskMemberOptions {
  /** Of its process: the first part of what its handlers return. */
  readonly name: string
  readonly engine: Engine
  readonly record: (entry: Unstamped) => void
  readonly leaseMs: number
  readonly onError: (error: unknown) => void
  readonly points?: Points
  /** Called when a handler begins, with the `n` of its task. */
  readonly onHandle?: (n: number) => void
  /** Its handlers take this many times as long. Default 1. */
  readonly slower?: number
  /** Whether it keeps schedules going. Default true. */
  readonly schedules?: boolean
  /** Default: the real one. */
  readonly runtime?: Runtime
  /** How long it tries to add a task, in milliseconds. */
  readonly publishTimeoutMs?: number
}

/** Adds tasks and works on them, and writes down what it does before and after. */
export interface TaskMember {
  readonly millrace: Millrace
  /** Adds the task (or the tasks) of this number. Never rejects: what became of it is in the history. */
  add(n: number): Promise<void>
  /** Begins to work. */
  join(): Promise<void>
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}

/** Makes a member; it does nothing before `join` or `add`. */
export function createTaskMember(options: TaskMemberOptions): TaskMember {
  const { name, engine, record, leaseMs, onError, points, onHandle, slower = 1, schedules = true } = options
  const { runtime = systemRuntime(), publishTimeoutMs } = options
  let runs = 0
  let calls = 0
  const millrace = createMillrace({
    name: 'crash',
    engine: recordingTasks(engine, record),
    runtime,
    leaseMs,
    ...(publishTimeoutMs === undefined ? {} : { publishTimeoutMs }),
    taskDefinitions: TASKS,
    onError,
  })

  async function handle({ n }: Work, task: TaskContext): Promise<unknown> {
    const run = (runs += 1)
    const { id, attempt } = task
    const end = (outcome: TaskRunOutcome): void => {
      record({ kind: 'task-run', phase: 'end', run, outcome })
      points?.pass('after-task')
    }
    record({ kind: 'task-run', phase: 'start', run, id, attempt })
    onHandle?.(n)
    points?.pass('inside-task')
    const { does, ms } = treatmentOf(n, attempt)
    if (does === 'work' && ms > 0) await wait(runtime, ms * slower, undefined, true)
    end(OUTCOMES[does])
    if (does === 'later') return task.retry({ after: ms })
    if (does === 'reject') return task.reject('The crash proof rejects it.')
    if (does === 'fail') throw new Error('The crash proof fails it.')
    return `${name} ${run}`
  }

  return {
    millrace,
    async add(n) {
      const call = (calls += 1)
      try {
        await addNext(millrace, n, {
          asked: (ids) => record({ kind: 'enqueue', phase: 'invoke', call, ids }),
          added: (ids) => record({ kind: 'enqueue', phase: 'ok', call, ids }),
        })
      } catch (error) {
        const code = isMillraceError(error) ? error.code : 'internal'
        // A mistake of the proof: what the engine refuses has other codes.
        if (code.endsWith('_invalid')) throw error
        record({ kind: 'enqueue', phase: code === 'publish_unknown' ? 'info' : 'fail', call, code })
      }
    },
    async join() {
      for (const definition of TASKS) await whenUp(runtime, () => millrace.work(definition, handle, { concurrency: 8 }))
      if (!schedules) return
      for (const [schedule, every] of Object.entries(SCHEDULES)) {
        const input: Work = { n: 0, key: schedule }
        await whenUp(runtime, () => millrace.schedules.put(schedule, { every }, { task: Tick, input, missed: 'all' }))
      }
    },
    close: (closing) => millrace.close(closing),
  }
}

/** Tries again while the engine says that it may help, as an application would that starts before its engine. */
export async function whenUp<Result>(runtime: Runtime, call: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!isMillraceError(error) || !error.retriable) throw error
      await wait(runtime, AGAIN_MS, undefined, true)
    }
  }
}

const AGAIN_MS = 200
const OUTCOMES = { work: 'done', later: 'retry', fail: 'throw', reject: 'reject' } as const
