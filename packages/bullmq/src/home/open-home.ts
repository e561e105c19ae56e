import { createMillrace, type Millrace } from '@millrace/core'
import {
  MillraceError,
  type Driver,
  type Engine,
  type Runtime,
  type ScheduleStore,
  type TaskStore,
} from '@millrace/core/driver'

/** Where the jobs go: an engine of Millrace, through its public calls and, for what must happen in one step, its stores. */
export interface Home {
  readonly millrace: Millrace
  readonly tasks: TaskStore
  readonly schedules: ScheduleStore
  close(): Promise<void>
}

/** Opens the engine. Throws `engine_*`, and `capability_missing` when it keeps no tasks. */
export async function openHome(engine: Engine, runtime: Runtime): Promise<Home> {
  let driver: Driver | undefined
  const millrace = createMillrace({
    name: 'bullmq-bridge',
    runtime,
    engine: {
      name: engine.name,
      open(given) {
        driver = engine.open(given)
        return driver
      },
    },
  })
  try {
    await millrace.start()
    const { tasks, schedules } = driver?.stores ?? {}
    if (tasks === undefined || schedules === undefined) throw keepsNone(engine)
    return { millrace, tasks, schedules, close: () => millrace.close() }
  } catch (error) {
    await millrace.close()
    throw error
  }
}

function keepsNone({ name }: Engine): MillraceError {
  return new MillraceError('capability_missing', `The engine ${name} keeps no tasks: jobs cannot be moved there.`)
}
