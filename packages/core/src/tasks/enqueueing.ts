import type { Limits } from '../contract/limits.ts'
import { handlingContext } from '../bus/handling-context.ts'
import { openedInTime } from '../bus/opened-in-time.ts'
import type { EnqueueOutcome, TaskStore } from '../driver/task-store.ts'
import type { NewTask } from '../driver/task.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { defineTask } from './define-task.ts'
import type { Enqueuer } from './enqueuer.ts'
import type { EnqueueInTransaction, EnqueueManyOptions, EnqueueOptions } from './enqueue-options.ts'
import { tasksOfFlow } from './flow-tree.ts'
import { NOT_IN_FLOWS, OF_DEFINITION, refuseIgnored } from './ignored-options.ts'
import { prepareTask } from './prepare-task.ts'
import type { QueueDeclarations } from './queue-declarations.ts'
import type { Results } from './results.ts'
import { queueFull } from './queue-full.ts'
import { isSameTask, refuseTaken, taskConflict } from './same-task.ts'
import type { TaskCatalog } from './task-catalog.ts'
import type { AnyTaskDefinition } from './task-definition.ts'
import type { TaskFlow } from './task-flow.ts'
import type { ResultOptions, TaskHandle } from './task-handle.ts'
import type { AddOptions } from './task-operations.ts'
import { checkResultOptions } from './wait-options.ts'

/** From inputs to stored tasks. */
export interface Enqueueing {
  enqueue(
    definition: AnyTaskDefinition,
    input: unknown,
    options?: EnqueueOptions & Partial<EnqueueInTransaction>,
  ): Promise<TaskHandle>
  enqueueMany(
    definition: AnyTaskDefinition,
    inputs: readonly unknown[],
    options?: EnqueueManyOptions,
  ): Promise<readonly TaskHandle[]>
  enqueueFlow(flow: TaskFlow): Promise<TaskHandle>
  /** By name: by its definition where that is known, else unchecked. */
  add(name: string, input: unknown, options?: AddOptions): Promise<TaskHandle>
  /** The task that `add` would store. */
  prepare(name: string, input: unknown, options?: AddOptions): NewTask
}

export interface EnqueueingOptions {
  readonly store: TaskStore
  readonly enqueuer: Enqueuer
  readonly declarations: QueueDeclarations
  readonly catalog: TaskCatalog
  readonly results: Results
  readonly runtime: Runtime
  readonly limits: Limits
  /** Opens the engine. */
  readonly ready: () => Promise<void>
  readonly isReady: () => boolean
  /** Milliseconds that a call may wait for its engine to open. */
  readonly timeoutMs: number
  readonly onError: (error: unknown) => void
}

const CHUNK = 500
/** What is large goes in smaller steps, each of which is through long before its time is up. */
const CHUNK_CHARACTERS = 1024 * 1024
/** Each is checked before the first is sent; more would fill the memory. */
const MOST_INPUTS = 1_000_000
/** Of one call, so that a large one neither fills the line nor waits for each round trip. */
const CHUNKS_AT_ONCE = 8

export function createEnqueueing(setup: EnqueueingOptions): Enqueueing {
  const { store, enqueuer, declarations, catalog, results, runtime, limits } = setup
  const unknown = new Map<string, AnyTaskDefinition>()

  function prepared(definition: AnyTaskDefinition, input: unknown, options?: EnqueueOptions): NewTask {
    catalog.add(definition)
    return prepareTask(definition, input, options, { runtime, limits, handled: handlingContext.getStore() })
  }

  /** What has to come about before the first task is sent; undefined when nothing has. */
  function opening(definitions: Iterable<AnyTaskDefinition>): Promise<unknown> | undefined {
    const declared = (): Promise<unknown> | undefined => {
      const waits: Promise<void>[] = []
      for (const { queue } of definitions) {
        const wait = declarations.declare(queue)
        if (wait !== undefined) waits.push(wait)
      }
      return waits.length === 0 ? undefined : Promise.all(waits)
    }
    const open = setup.isReady() ? declared() : setup.ready().then(declared)
    return open === undefined ? undefined : openedInTime(runtime, setup.timeoutMs, open)
  }

  async function one(definition: AnyTaskDefinition, task: NewTask, options?: EnqueueOptions): Promise<TaskHandle> {
    const deadline = runtime.monotonic() + setup.timeoutMs
    const open = opening([definition])
    if (open !== undefined) await open
    return handleOf(task, (await enqueuer.submit([task], { signal: options?.signal, deadline }))[0])
  }

  /** Nothing is awaited before the transaction is written to: with a synchronous handle the caller may commit at once. */
  async function join(definition: AnyTaskDefinition, task: NewTask, tx: object): Promise<TaskHandle> {
    if (typeof tx !== 'object' || tx === null)
      throw new MillraceError(
        'transaction_invalid',
        `The transaction is of type ${tx === null ? 'null' : typeof tx}; pass the handle of an open transaction.`,
        { path: 'tx' },
      )
    if (store.append === undefined) throw noTransactions()
    if (!setup.isReady()) await openedInTime(runtime, setup.timeoutMs, setup.ready())
    const outcomes = await store.append(tx, [task])
    declarations.declare(definition.queue)?.catch(setup.onError)
    return handleOf(task, outcomes[0], true)
  }

  /** Throws `task_conflict` when the id is that of another task, `queue_full`. */
  function handleOf(task: NewTask, outcome: EnqueueOutcome | undefined, mayAppear = false): TaskHandle {
    if (outcome?.outcome === 'taken' && !isSameTask(task, outcome)) throw taskConflict(task, outcome)
    if (outcome?.outcome === 'full') throw queueFull(task)
    const { id } = outcome ?? task
    return {
      id,
      deduplicated: outcome?.outcome === 'duplicate',
      async result(options: ResultOptions = {}) {
        checkResultOptions(options)
        return results.wait(id, { ...options, mayAppear })
      },
    }
  }

  function definitionOf(name: string, options: AddOptions): AnyTaskDefinition {
    const known = catalog.get(name)
    // What is wrong with the options is said where the task is prepared.
    const queue = options?.queue
    if (known !== undefined) return known
    const key = `${queue ?? name} ${name}`
    const made = unknown.get(key) ?? defineTask(name, { queue: queue ?? name })
    unknown.set(key, made)
    return made
  }

  function preparedByName(name: string, input: unknown, options: AddOptions): NewTask {
    const definition = definitionOf(name, options)
    const unchecked = catalog.get(name) === undefined
    return prepareTask(definition, input, options, { runtime, limits, handled: handlingContext.getStore(), unchecked })
  }

  const sendMany = createSending(enqueuer)

  return {
    async enqueue(definition, input, given) {
      refuseIgnored(given, 'enqueue', { queue: OF_DEFINITION })
      if (given?.tx === undefined) return one(definition, prepared(definition, input, given), given)
      const { tx, ...options } = given
      return join(definition, prepared(definition, input, options), tx)
    },
    async enqueueMany(definition, inputs, options) {
      if (!Array.isArray(inputs)) throw wrongMany('inputs', 'must be a list')
      refuseIgnored(options, 'enqueueMany', {
        id: 'is for one task; each of many gets its own',
        tx: 'is for one task; enqueue each in the transaction',
        queue: OF_DEFINITION,
      })
      if (inputs.length > MOST_INPUTS) throw tooMany(inputs.length)
      // A list may have holes.
      const tasks = Array.from(inputs, (input) => prepared(definition, input, options))
      const open = opening([definition])
      if (open !== undefined) await open
      const outcomes = await sendMany(tasks, definition, options?.signal)
      return tasks.map((task, at) => handleOf(task, outcomes[at]))
    },
    async enqueueFlow(flow) {
      const definitions = new Set<AnyTaskDefinition>()
      const given = new Set<string>()
      const { root, tasks } = tasksOfFlow(flow, (definition, input, options) => {
        definitions.add(definition)
        refuseIgnored(options, 'a task of a flow', NOT_IN_FLOWS)
        if (options?.id !== undefined) given.add(options.id)
        return prepared(definition, input, options)
      })
      const open = opening(definitions)
      if (open !== undefined) await open
      await refuseTaken(
        store,
        tasks.filter((task) => given.has(task.id)),
      )
      const outcomes = await enqueuer.submit(tasks)
      for (const [at, task] of tasks.entries()) handleOf(task, outcomes[at])
      return handleOf(root, outcomes[tasks.indexOf(root)])
    },
    async add(name, input, options = {}) {
      const known = catalog.get(name)?.queue.name
      refuseIgnored(options, 'a task that is added by name', {
        tx: 'is for enqueue, with the definition',
        ...(known === undefined || options?.queue === known
          ? {}
          : { queue: `must be "${known}", where its definition has it` }),
      })
      return one(definitionOf(name, options), preparedByName(name, input, options), options)
    },
    prepare: (name, input, options = {}) => preparedByName(name, input, options),
  }
}

type SendMany = (
  tasks: readonly NewTask[],
  definition: AnyTaskDefinition,
  signal: AbortSignal | undefined,
) => Promise<readonly EnqueueOutcome[]>

/** Sends tasks in chunks. Throws `queue_full` with how many were added: where code bounds the queue, the first so many. */
function createSending(enqueuer: Enqueuer): SendMany {
  return async (
    tasks: readonly NewTask[],
    { queue }: AnyTaskDefinition,
    signal: AbortSignal | undefined,
  ): Promise<readonly EnqueueOutcome[]> => {
    const outcomes: EnqueueOutcome[] = []
    const chunks = chunksOf(tasks)
    const atOnce = queue.options.maxWaiting === undefined ? CHUNKS_AT_ONCE : 1
    for (let at = 0; at < chunks.length; at += atOnce) {
      const before = outcomes.length
      const answers = await Promise.all(
        chunks.slice(at, at + atOnce).map((chunk) => enqueuer.submit(chunk, { signal })),
      )
      outcomes.push(...answers.flat())
      const sent = outcomes.length
      const refused = tasks.slice(before, sent).filter((_, place) => outcomes[before + place]?.outcome === 'full')
      const [first] = refused
      if (first !== undefined) throw queueFull(first, { added: sent - refused.length, of: tasks.length })
    }
    return outcomes
  }
}

function chunksOf(tasks: readonly NewTask[]): readonly (readonly NewTask[])[] {
  const chunks: NewTask[][] = []
  let characters = 0
  for (const task of tasks) {
    const last = chunks.at(-1)
    if (last === undefined || last.length === CHUNK || characters >= CHUNK_CHARACTERS) {
      chunks.push([task])
      characters = 0
    } else last.push(task)
    characters += task.body.length
  }
  return chunks
}

function wrongMany(path: string, what: string): MillraceError {
  return new MillraceError('task_options_invalid', `The "${path}" of enqueueMany ${what}.`, { path })
}

function tooMany(inputs: number): MillraceError {
  return new MillraceError(
    'limit_exceeded',
    `There are ${inputs} inputs; enqueueMany takes at most ${MOST_INPUTS} at once. Call it for one part after the other.`,
    { path: 'inputs', facts: { limit: MOST_INPUTS } },
  )
}

function noTransactions(): MillraceError {
  return new MillraceError(
    'capability_missing',
    'The engine has no SQL transaction that a task could join. Use sqlite() or postgres(), or give the broker a "store" of them.',
    { path: 'tx' },
  )
}
