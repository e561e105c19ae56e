import type { NewTask, TaskDedupe, TaskSettle } from '@millrace/core/driver'
import type { Random } from '../../random.ts'
import { newTask, settleOf, taskError } from '../task-bench.ts'
import type { ModelTask } from './model-task.ts'
import { HEAD_STEP_MS, NEVER_MS } from './scenario.ts'

/** The names of definitions in the scenario. */
export const NAMES: readonly string[] = ['a', 'b', 'c']

/** Draws the parts of operations. */
export interface Draws {
  freshTask(wish?: Partial<NewTask>): NewTask
  headStart(): number
  settle(running: ModelTask): TaskSettle
}

export function createDraws(queueNames: readonly string[], random: Random): Draws {
  function freshTask(wish: Partial<NewTask> = {}): NewTask {
    return newTask({
      queue: random.pick(queueNames),
      name: random.chance(0.8) ? 'a' : random.pick(NAMES),
      key: random.chance(0.7) ? `k${random.integer(0, 3)}` : undefined,
      tenant: random.chance(0.6) ? `t${random.integer(0, 2)}` : undefined,
      headStartMs: headStart(),
      delayMs: random.chance(0.15) ? NEVER_MS : 0,
      expiresInMs: random.chance(0.1) ? 2 * NEVER_MS : undefined,
      dedupe: random.chance(0.2) ? dedupe() : undefined,
      ...wish,
    })
  }

  const headStart = (): number => (random.chance(0.6) ? 0 : random.integer(-2, 3) * HEAD_STEP_MS)

  const dedupe = (): TaskDedupe => ({
    key: `d${random.integer(0, 2)}`,
    mode: random.pick(['keep', 'keep', 'replace', 'debounce']),
    until: random.pick(['start', 'end', 'end', 'window']),
    windowMs: NEVER_MS,
  })

  function settle({ task, starts }: ModelTask): TaskSettle {
    const as = random.pick([
      'done',
      'done',
      'done',
      'retry',
      'retry',
      'release',
      'dead',
      'cancelled',
      'expired',
    ] as const)
    const delayMs = (as === 'retry' || as === 'release') && random.chance(0.4) ? NEVER_MS : 0
    const output = as === 'done' && random.chance(0.7) ? JSON.stringify(random.integer(0, 99)) : undefined
    const fails = as === 'dead' || (as === 'retry' && random.chance(0.8))
    const error = fails ? taskError(`f${random.integer(0, 2)}`) : undefined
    return settleOf({ id: task.id, starts }, { as, delayMs, output, error })
  }

  return { freshTask, headStart, settle }
}
