import type { Limits } from '../contract/limits.ts'
import type { DeadLetters } from '../bus/dead-letters.ts'
import type { Targets } from '../bus/targets.ts'
import type { Driver } from '../driver/driver.ts'
import type { TaskAdmin } from '../driver/task-admin.ts'
import { wait } from '../runtime/abort.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createEnqueuer } from './enqueuer.ts'
import { createEnqueueing } from './enqueueing.ts'
import { createHearing } from './hearing.ts'
import type { HeldTask } from './held-task.ts'
import type { TaskProgressed } from './task-progress-event.ts'
import { progressOf } from './progress-state.ts'
import { createQueueDeclarations } from './queue-declarations.ts'
import { createResults } from './results.ts'
import { createTaskCatalog } from './task-catalog.ts'
import type { TaskCalls } from './task-calls.ts'
import type { AnyTaskDefinition } from './task-definition.ts'
import type { ChildResult } from './task-flow.ts'
import { childResultOf } from './view-of.ts'
import { joinDeadTasks } from './dead-tasks.ts'
import { createOperatingQueues } from './operating-queues.ts'
import { createOperatingSchedules } from './operating-schedules.ts'
import { createOperatingTasks } from './operating-tasks.ts'
import { createScheduler } from './scheduler.ts'
import { taskTarget } from './task-target.ts'
import { createUpkeep } from './upkeep.ts'
import { createWorkshop } from './workshop.ts'

/** Tasks of a backbone, and how they end. */
export interface Tasking {
  readonly calls: TaskCalls
  /** Makes a definition known before it is added or worked on. Throws `task_definition_invalid`, `capability_missing`. */
  learn(definition: AnyTaskDefinition): void
  /** Dead letters with the dead tasks among them. */
  readonly joinDeadTasks: (letters: DeadLetters) => DeadLetters
  stop(timeoutMs: number): Promise<void>
}

/** Beyond the time for running handlers, until the engine has heard of their end. */
const LAST_MS = 5_000

export interface TaskingOptions {
  readonly name: string
  readonly service: string
  /** Where tasks are kept. */
  readonly driver: Driver
  readonly definitions: readonly AnyTaskDefinition[]
  readonly targets: Targets
  readonly runtime: Runtime
  readonly limits: Limits
  readonly leaseMs: number
  readonly alive: Int32Array
  readonly timeoutMs: number
  readonly maxPending: number
  /** Opens the engine that keeps tasks. */
  readonly ready: () => Promise<void>
  readonly isReady: () => boolean
  readonly publishProgress: (progress: TaskProgressed) => void
  readonly onError: (error: unknown) => void
}

/** Everything about tasks that one backbone does; nothing begins before it is used. */
export function createTasking(options: TaskingOptions): Tasking {
  const { driver, runtime, limits, ready } = options
  const { tasks: store, taskAdmin: admin, schedules, settings } = driver.stores
  if (store === undefined || admin === undefined || schedules === undefined || settings === undefined)
    return { calls: withoutTasks(), learn: missing, joinDeadTasks: (letters) => letters, stop: () => Promise.resolve() }
  const onChanged = (queues: Iterable<string>, endedIn?: readonly string[]): void => {
    workshop.hint(queues)
    workshop.look()
    results.hint(endedIn)
  }
  const hearing = createHearing(store, (queues) => onChanged(queues, queues))
  const results = createResults({ store, runtime, ready, hearing, endingIds: () => workshop.endingIds() })
  const declarations = createQueueDeclarations(admin)
  const { leases } = driver.stores
  const catalog = createTaskCatalog(register)
  const enqueuer = createEnqueuer({
    ...options,
    store,
    capabilities: () => driver.transport.capabilities,
    onStored: (queues) => workshop.hint(queues),
  })
  const enqueueing = createEnqueueing({ ...options, store, enqueuer, declarations, catalog, results })
  const workshop = createWorkshop({
    ...options,
    millrace: options.name,
    store,
    admin,
    leases: driver.stores.leases,
    results,
    children,
    showProgress,
    hearing,
    onEnded: (ended) => upkeep.ended(ended),
  })
  const upkeep = createUpkeep({ millrace: options.name, admin, leases, runtime, onError: options.onError })
  const scheduler = createScheduler({
    store: schedules,
    full: (queues) => store.full(queues),
    runtime,
    prepare: enqueueing.prepare,
    onFired: (queues) => workshop.hint(queues),
    onError: options.onError,
  })
  const operations = createOperatingTasks({
    store,
    admin,
    leases,
    runtime,
    catalog,
    enqueueing,
    results,
    opened: ready,
    onChanged,
  })

  for (const definition of options.definitions) catalog.add(definition)

  /** Others reach tasks by their names. */
  function register(definition: AnyTaskDefinition): void {
    options.targets.register(
      taskTarget(definition, { enqueueing, operations, admin: admin as TaskAdmin, limits, opened: ready }),
    )
  }

  async function children(id: string): Promise<readonly ChildResult[]> {
    await ready()
    return ((await store?.outcomes(id)) ?? []).map(childResultOf)
  }

  function showProgress(held: HeldTask): string | undefined {
    if (held.progress === undefined) return undefined
    const progress = progressOf(held.progress, new Date(runtime.now()).toISOString())
    const { id, name, queue } = held.task
    try {
      options.publishProgress({ id, name, queue, ...progress })
    } catch (error) {
      // What is sent with it must not be lost: the ends of tasks, and what others have to say.
      options.onError(error)
    }
    return JSON.stringify(progress)
  }

  return {
    calls: {
      enqueue: enqueueing.enqueue as TaskCalls['enqueue'],
      enqueueMany: enqueueing.enqueueMany as TaskCalls['enqueueMany'],
      enqueueFlow: enqueueing.enqueueFlow as TaskCalls['enqueueFlow'],
      async work(definition: AnyTaskDefinition, handler: never, given?: object) {
        catalog.add(definition)
        await ready()
        await declarations.declare(definition.queue)
        const worker = await workshop.work(definition, handler, given)
        upkeep.start()
        scheduler.start()
        return worker
      },
      tasks: operations,
      queues: createOperatingQueues({ admin, leases, opened: ready, onChanged }),
      schedules: createOperatingSchedules({
        store: schedules,
        runtime,
        catalog,
        prepare: enqueueing.prepare,
        add: enqueueing.add,
        opened: ready,
        onChanged() {
          scheduler.start()
          scheduler.nudge()
        },
      }),
    },
    learn: (definition) => catalog.add(definition),
    joinDeadTasks: (letters) => joinDeadTasks(letters, { store, admin, catalog, operations, opened: ready, onChanged }),
    async stop(timeoutMs) {
      await Promise.race([
        Promise.all([scheduler.stop(), upkeep.stop(), workshop.stop(timeoutMs)]),
        wait(runtime, timeoutMs + LAST_MS),
      ])
      await Promise.race([enqueuer.idle(), wait(runtime, timeoutMs)])
      enqueuer.close()
      results.close()
    },
  }
}

function missing(): never {
  throw new MillraceError(
    'capability_missing',
    'The engine keeps no tasks. Use memory(), sqlite(), postgres() or redis(), or give the broker a "store" of them.',
  )
}

function withoutTasks(): TaskCalls {
  const facet = new Proxy({}, { get: () => missing }) as never
  return {
    enqueue: async () => missing(),
    enqueueMany: async () => missing(),
    enqueueFlow: async () => missing(),
    work: async () => missing(),
    tasks: facet,
    queues: facet,
    schedules: facet,
  }
}
