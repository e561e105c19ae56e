import assert from 'node:assert/strict'
import type { ClaimedTasks, TaskRow } from '@millrace/core/driver'
import type { Context } from '../../context.ts'
import type { Property } from '../../property.ts'
import { createRandom } from '../../random.ts'
import { passing } from '../../passing-time.ts'
import { idsOf, taskBench, taskError, type TaskBench } from '../task-bench.ts'
import { ahead, change } from './model-changes.ts'
import { givePlaces } from './model-places.ts'
import { find, hasEnded, type ModelTask, type TaskModel } from './model-task.ts'
import { claim, enqueue, note, reclaim, settle, type Next, type TimelessTask } from './model-work.ts'
import { createOperations, type Operation } from './random-operations.ts'
import { SCENARIO_QUEUES, settingsOf } from './scenario.ts'
import { stampAdded, stampChanged } from './stamps.ts'

const ROUNDS = 4
const OPERATIONS = 250
const WORKERS = 4

/** Seeds of rounds in which the model was once wrong about what every engine did well. */
const PINNED_SEEDS: readonly number[] = [
  // A ready task that begins anew at once has its own token to take.
  3_003_024,
  // What is debounced and what is added in one call have come at one time.
  1_023,
]

/**
 * Priority, limits and order by key, rates, turns of tenants, delay, retry, dedupe, flows and crashes, all at once: random
 * operations on the store and on a model, and every answer the same.
 */
export const combinedProperties: readonly Property[] = [
  ...[1, 2, 3].map((part): Property => ({
    id: `65 everything at once is as the model says, part ${part}`,
    needs: ['tasks'],
    run: (context) => runScenario(context, part),
  })),
  { id: '65 everything at once is as the model says where it was once wrong', needs: ['tasks'], run: runPinned },
]

async function runScenario({ open, seed }: Context, part: number): Promise<void> {
  const bench = taskBench(await open())
  for (let round = 1; round <= ROUNDS; round += 1)
    await runRound(bench, `${part}.${round}`, seed * 100 + part * 10 + round)
}

async function runPinned({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  for (const seed of PINNED_SEEDS) await runRound(bench, `pinned.${seed}`, seed)
}

/** A round has queues, workers and a model of its own. */
async function runRound(bench: TaskBench, round: string, seed: number): Promise<void> {
  const model: TaskModel = { tasks: [], queues: new Map(), added: 0 }
  for (const [name, wish] of Object.entries(SCENARIO_QUEUES)) {
    const settings = settingsOf(wish)
    const queue = `${name} ${round}`
    model.queues.set(queue, {
      name: queue,
      settings,
      version: 1,
      starts: 0,
      keyStarts: new Map(),
      turns: new Map(),
      dedupe: new Map(),
    })
    await bench.admin.putQueue({ name: queue, expectedVersion: 0, settings, note: '' })
  }
  const workers = Array.from({ length: WORKERS }, (_, at) => `w${at} ${round}`)
  const draw = createOperations(model, createRandom(seed), { workers })
  const done: Operation[] = []
  for (let at = 1; at <= OPERATIONS; at += 1) {
    const operation = draw()
    done.push(operation)
    try {
      await carryOut(bench, model, operation)
      if (at % 10 === 0) await compareAll(bench, model)
    } catch (error) {
      const last = done.slice(-12).map((each) => JSON.stringify(each))
      const text = error instanceof Error ? error.message : String(error)
      throw new Error(`operation ${at} of round ${round}: ${text}\nThe last operations:\n${last.join('\n')}`, {
        cause: error,
      })
    }
  }
}

async function carryOut(bench: TaskBench, model: TaskModel, operation: Operation): Promise<void> {
  const { tasks, admin } = bench
  switch (operation.kind) {
    case 'enqueue': {
      // What came in other milliseconds has other times, whatever the engine's clock rounds to.
      await passing(2)
      const before = new Set(idsOf(model.tasks.map(({ task }) => task)))
      const outcomes = await tasks.enqueue(operation.tasks)
      const expected = enqueue(model, operation.tasks)
      assert.deepEqual(outcomes, expected)
      await stampAdded(bench, model, { operation, outcomes, before })
      break
    }
    case 'exchange': {
      const answer = await tasks.exchange(operation)
      note(model, operation.worker, operation.notes)
      assert.deepEqual(answer.settled, settle(model, operation.worker, operation.settles))
      givePlaces(model)
      for (const [at, claimed] of operation.claims.entries()) {
        const { tasks: wanted, next } = claim(model, operation.worker, claimed)
        givePlaces(model)
        compareClaimed(answer.claimed[at], wanted, next)
      }
      const cancelling = model.tasks.filter(({ worker, cancelling: asked }) => asked && worker === operation.worker)
      assert.deepEqual([...answer.cancel].toSorted(), idsOf(cancelling.map(({ task }) => task)).toSorted())
      break
    }
    case 'reclaim': {
      const { worker, deadAfterCrashes } = operation
      const error = taskError('killer')
      const taken = await tasks.reclaim({ worker, deadAfterCrashes, error })
      assert.equal(taken, reclaim(model, worker, deadAfterCrashes, error))
      break
    }
    case 'change': {
      await passing(2)
      const changed = await admin.change(operation.ids, operation.change)
      const first = find(model, operation.ids[0])
      const wasEnded = first !== undefined && hasEnded(first)
      assert.deepEqual(changed, change(model, operation.ids, operation.change))
      if (first !== undefined && changed.length > 0) await stampChanged(bench, first, operation.change.action, wasEnded)
      break
    }
    case 'ahead':
      assert.equal(await admin.ahead(operation.id, operation.limit), ahead(model, operation.id, operation.limit))
      break
    case 'queue': {
      const queue = model.queues.get(operation.name)
      assert.ok(queue)
      queue.settings = { ...queue.settings, paused: operation.paused, concurrency: operation.concurrency }
      const put = { name: queue.name, expectedVersion: queue.version, settings: queue.settings, note: '' }
      queue.version += 1
      assert.deepEqual(await admin.putQueue(put), { version: queue.version })
      break
    }
    case 'sweep':
      assert.deepEqual(await bench.sweep(), { removed: 0, expired: 0 })
  }
  givePlaces(model)
}

function compareClaimed(answer: ClaimedTasks | undefined, wanted: readonly TimelessTask[], next: Next): void {
  const { tasks = [], nextMs } = answer ?? {}
  assert.deepEqual(
    tasks.map(({ ageMs: _age, waitedMs: _waited, expiresInMs: _expires, ...rest }) => rest),
    wanted,
  )
  const kind = nextMs === undefined ? 'never' : nextMs === 0 ? 'now' : 'later'
  if (next !== 'perhaps') assert.equal(kind, next, `nextMs is ${nextMs}`)
  else assert.notEqual(kind, 'now', 'nothing that this worker knows is ready')
}

async function compareAll({ tasks, admin }: TaskBench, model: TaskModel): Promise<void> {
  const ids = idsOf(model.tasks.map(({ task }) => task))
  const rows = await tasks.get(ids)
  assert.deepEqual(idsOf(rows), ids)
  for (const [at, row] of rows.entries()) {
    const expected = model.tasks[at]
    if (expected !== undefined) assert.deepEqual(comparable(row), expectedOf(expected))
  }
  const mine = new Set(model.tasks.flatMap(({ worker }) => worker ?? []))
  const holders = (await tasks.holders()).filter((worker) => mine.has(worker))
  assert.deepEqual(holders.toSorted(), [...mine].toSorted())
  for (const { name, counts, readyNames, version } of await admin.queues()) {
    const queue = model.queues.get(name)
    if (queue === undefined) continue
    assert.equal(version, queue.version)
    const own = model.tasks.filter(({ task }) => task.queue === name)
    for (const [state, count] of Object.entries(counts)) {
      assert.equal(count, own.filter((each) => each.state === state).length, `${state} tasks of ${name}`)
    }
    const ready = own.filter(({ state }) => state === 'ready' || state === 'suspect')
    assert.deepEqual([...readyNames].toSorted(), [...new Set(ready.map(({ task }) => task.name))].toSorted())
  }
  for (const parent of model.tasks.filter(({ task }) => task.children > 0).slice(-3)) {
    const ended = model.tasks.filter((child) => child.task.parent === parent.task.id && hasEnded(child))
    const outcomes = await tasks.outcomes(parent.task.id)
    assert.deepEqual(
      outcomes.map(({ id, state, output }) => ({ id, state, output })),
      ended.map(({ task, state, output }) => ({ id: task.id, state, output })),
    )
  }
  for (const { task, log } of model.tasks.filter((each) => each.log.length > 0).slice(-3)) {
    assert.deepEqual(await admin.logs(task.id), log)
  }
}

function comparable(row: TaskRow): unknown {
  const { id, state, body, headStartMs, attempts, starts, crashes, worker, delayedBy, cancelling, pendingChildren } =
    row
  const code = row.error?.code
  const fingerprint = code === 'task_child_failed' ? '' : row.error?.fingerprint
  const { output, progress } = row
  const counts = { attempts, starts, crashes, pendingChildren }
  return { id, state, body, headStartMs, worker, delayedBy, cancelling, code, fingerprint, output, progress, ...counts }
}

function expectedOf({ task, state, body, headStartMs, worker, delayedBy, cancelling, ...rest }: ModelTask): unknown {
  const { output, progress, error, attempts, starts, crashes, pendingChildren } = rest
  const counts = { attempts, starts, crashes, pendingChildren }
  const { code, fingerprint } = error ?? {}
  const id = task.id
  return { id, state, body, headStartMs, worker, delayedBy, cancelling, code, fingerprint, output, progress, ...counts }
}
