import assert from 'node:assert/strict'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import { expectError } from '../expect-error.ts'
import type { Property } from '../property.ts'
import { HOUR, idsOf, newTask, only, taskBench } from './task-bench.ts'

/** What tasks of callers' transactions must do; nothing to do where a driver has no `append`. */
export const taskTransactionProperties: readonly Property[] = [
  { id: '64 tasks of a transaction come with its commit', needs: ['tasks', 'callers'], run: commit },
  { id: '64 tasks of a transaction that rolls back never come', needs: ['tasks', 'callers'], run: rollback },
  { id: '64 what is no open transaction adds no tasks', needs: ['tasks', 'callers'], run: refusals },
]

async function commit(context: Context): Promise<void> {
  const { tasks, claim, put, states, add } = taskBench(await context.open())
  const database = await context.callers()
  if (tasks.append === undefined) return
  await put('q', { key: { order: true } })
  const earlier = await add({ key: 'k' })
  const wanted = [
    newTask({ key: 'k' }),
    newTask({ headStartMs: HOUR }),
    newTask({ delayMs: HOUR }),
    newTask({ queue: 'new', dedupe: { key: 'd', mode: 'keep', until: 'end', windowMs: undefined } }),
  ]
  const twin = newTask({ queue: 'new', dedupe: { key: 'd', mode: 'keep', until: 'end', windowMs: undefined } })
  const transaction = await database.begin()
  await transaction.mark('with the tasks')
  const outcomes = await tasks.append(transaction.tx, [...wanted, twin])
  assert.deepEqual(outcomes, [
    ...wanted.map(({ id }) => ({ outcome: 'stored', id })),
    { outcome: 'duplicate', id: wanted[3]?.id },
  ])
  await transaction.commit()
  assert.deepEqual(await database.marks(), ['with the tasks'])
  await eventually('the tasks are there', async () => (await tasks.get(idsOf(wanted))).length === 4)
  assert.deepEqual(await states(idsOf(wanted)), ['waiting', 'ready', 'delayed', 'ready'])
  assert.deepEqual(idsOf(await claim()), [wanted[1]?.id, earlier])
  assert.equal(only(await claim({ queue: 'new' })).id, wanted[3]?.id)
  await put('small', { maxWaiting: 1 })
  const again = await database.begin()
  const [first = newTask()] = wanted
  assert.deepEqual(await tasks.append(again.tx, [first]), [{ outcome: 'stored', id: first.id }])
  assert.deepEqual(await tasks.append(again.tx, [{ ...first, body: '"other"' }]), [
    { outcome: 'taken', id: first.id, name: first.name, body: first.body },
  ])
  const same = newTask()
  await tasks.append(again.tx, [same])
  assert.deepEqual(
    await tasks.append(again.tx, [{ ...same, name: 'other' }]),
    [{ outcome: 'taken', id: same.id, name: same.name, body: same.body }],
    'also by what the transaction itself has added',
  )
  const [fits, waits] = [newTask({ queue: 'small' }), newTask({ queue: 'small' })]
  assert.deepEqual(await tasks.append(again.tx, [fits, waits]), [
    { outcome: 'stored', id: fits.id },
    { outcome: 'full', id: waits.id },
  ])
  await again.commit()
}

async function rollback(context: Context): Promise<void> {
  const { tasks, claim, add, admin } = taskBench(await context.open())
  const database = await context.callers()
  if (tasks.append === undefined) return
  const lost = [
    newTask({ queue: 'lost' }),
    newTask({ dedupe: { key: 'd', mode: 'keep', until: 'end', windowMs: undefined } }),
  ]
  const transaction = await database.begin()
  await transaction.mark('never')
  await tasks.append(transaction.tx, lost)
  await transaction.rollback()
  const later = await add({ dedupe: { key: 'd', mode: 'keep', until: 'end', windowMs: undefined } })
  assert.deepEqual(idsOf(await claim()), [later], 'the dedupe key is free')
  assert.deepEqual(await tasks.get(idsOf(lost)), [])
  assert.deepEqual(await database.marks(), [])
  assert.deepEqual(
    (await admin.queues()).filter(({ name, counts }) => name === 'lost' && counts.ready > 0),
    [],
  )
}

async function refusals(context: Context): Promise<void> {
  const { tasks, claim } = taskBench(await context.open())
  const database = await context.callers()
  const { append } = tasks
  if (append === undefined) return
  await expectError('transaction_invalid', () => append({}, [newTask()]))
  const transaction = await database.begin()
  await transaction.commit()
  await expectError('transaction_invalid', () => append(transaction.tx, [newTask()]))
  assert.deepEqual(await claim(), [])
}
