import assert from 'node:assert/strict'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import type { Property } from '../property.ts'
import { passing } from '../passing-time.ts'
import { HOUR, idsOf, newTask, only, taskBench, taskError } from './task-bench.ts'

/** What ends a task before it is done: expiry, cancellation, the death of its worker. */
export const endingEarlyProperties: readonly Property[] = [
  { id: '56 what has expired is never started', needs: ['tasks'], run: expiry },
  { id: '56 the sweep expires what waits past its time', needs: ['tasks'], run: sweptExpiry },
  { id: '56 what does not run is cancelled at once', needs: ['tasks'], run: cancelWaiting },
  { id: '56 what runs is asked to cancel until it is settled', needs: ['tasks', 'secondProcess'], run: cancelRunning },
  { id: '57 tasks of a dead worker run again, alone', needs: ['tasks'], run: reclaimed },
  { id: '57 a task that kills its workers is dead after so many', needs: ['tasks'], run: killer },
  { id: '57 a crash keeps the order of its key', needs: ['tasks'], run: crashInOrder },
  { id: '57 reclaiming comes in steps until nothing is left', needs: ['tasks'], run: manyReclaimed },
  {
    id: '57 of two that reclaim at once each task is taken by one',
    needs: ['tasks', 'secondProcess'],
    run: bothReclaim,
  },
]

async function expiry({ open }: Context): Promise<void> {
  const { add, claim, row, sweep, settle } = taskBench(await open())
  let room = 75
  const task = await eventually('a task is claimed before it expires', async () => {
    room *= 2
    await add({ expiresInMs: room })
    return (await claim())[0]
  })
  const running = task.id
  assert.ok((task.expiresInMs ?? 0) > 0 && (task.expiresInMs ?? Infinity) <= room)
  const late = await add({ expiresInMs: 40 })
  const stays = await add({ expiresInMs: HOUR })
  await passing(room + 10)
  assert.deepEqual(idsOf(await claim()), [stays])
  await sweep()
  const ended = await row(late)
  assert.deepEqual([ended.state, ended.starts], ['expired', 0])
  assert.ok(ended.endedAt !== undefined)
  assert.equal((await row(running)).state, 'running', 'what has started goes on')
  assert.equal(await settle(task, { as: 'retry' }), 'settled')
  assert.deepEqual(await claim(), [], 'but it is not started again')
  await sweep()
  assert.equal((await row(running)).state, 'expired')
}

async function sweptExpiry({ open }: Context): Promise<void> {
  const { add, addAll, claim, put, admin, states } = taskBench(await open())
  await put('q', { key: { concurrency: 1 } })
  const expiresInMs = 30
  const [holder, waits, next] = await addAll([{ key: 'k', expiresInMs }, { key: 'k', expiresInMs }, { key: 'k' }])
  const delayed = await add({ delayMs: HOUR, expiresInMs })
  const parent = newTask({ children: 1, expiresInMs })
  const child = newTask({ parent: parent.id, delayMs: HOUR })
  await addAll([parent, child])
  let expired = 0
  await eventually('all have expired', async () => {
    expired += (await admin.sweep()).expired
    return expired >= 4
  })
  assert.equal(expired, 4)
  assert.deepEqual(await states([holder, waits, delayed, parent.id].map(String)), Array(4).fill('expired'))
  assert.equal((await states([child.id]))[0], 'cancelled', 'nobody waits for its outcome')
  assert.deepEqual(idsOf(await claim()), [next], 'the place is free')
}

async function cancelWaiting({ open }: Context): Promise<void> {
  const { addAll, add, claim, admin, states, put, settle, row } = taskBench(await open())
  await put('q', { key: { concurrency: 1 } })
  const [ready = '', waiting = '', next = ''] = await addAll([{ key: 'k' }, { key: 'k' }, { key: 'k' }])
  const delayed = await add({ delayMs: HOUR })
  const retried = await add({ headStartMs: HOUR })
  await settle(only(await claim({ limit: 1 })), { as: 'retry', delayMs: HOUR })
  const ids = [ready, waiting, delayed, retried]
  assert.deepEqual((await admin.change([...ids, 'nobody'], { action: 'cancel' })).toSorted(), ids.toSorted())
  assert.deepEqual(await states(ids), Array(4).fill('cancelled'))
  assert.ok((await row(delayed)).endedAt !== undefined)
  assert.deepEqual(await admin.change(ids, { action: 'cancel' }), [], 'what has ended stays as it is')
  assert.deepEqual(idsOf(await claim()), [next])
}

async function cancelRunning({ open, openSecond }: Context): Promise<void> {
  const { addAll, claim, settle, exchange, row, tasks } = taskBench(await open())
  const { admin } = taskBench(await openSecond())
  await addAll([{}, {}, {}, {}])
  const [first, second, third, fourth] = await claim()
  assert.ok(first && second && third && fourth)
  const ids = idsOf([first, second, third])
  assert.deepEqual((await admin.change(ids, { action: 'cancel' })).toSorted(), ids)
  assert.equal((await row(first.id)).cancelling, true)
  assert.equal((await row(first.id)).state, 'running')
  assert.deepEqual([...(await exchange({})).cancel].toSorted(), ids)
  assert.deepEqual([...(await exchange({})).cancel].toSorted(), ids, 'each time')
  assert.deepEqual((await exchange({ worker: 'other' })).cancel, [])
  await settle(first, { as: 'cancelled', error: taskError() })
  await settle(second, { as: 'retry', delayMs: HOUR })
  assert.deepEqual([...(await exchange({})).cancel], [third.id])
  await settle(third, { as: 'done', output: '1' })
  assert.deepEqual((await exchange({})).cancel, [])
  const rows = await Promise.all(ids.map(row))
  assert.deepEqual(
    rows.map(({ state, cancelling }) => [state, cancelling]),
    [
      ['cancelled', false],
      ['cancelled', false],
      ['done', false],
    ],
  )
  await admin.change([fourth.id], { action: 'cancel' })
  assert.equal(await tasks.reclaim({ worker: 'w', deadAfterCrashes: 3, error: taskError() }), 1)
  assert.equal((await row(fourth.id)).state, 'cancelled', 'a crash does not bring back what was asked to cancel')
}

async function reclaimed({ open }: Context): Promise<void> {
  const { addAll, add, ask, claim, settle, tasks, row, states, status } = taskBench(await open())
  const ids = await addAll([{}, {}, {}])
  const before = await claim()
  const later = await add({ headStartMs: HOUR })
  const error = taskError()
  assert.equal(await tasks.reclaim({ worker: 'nobody', deadAfterCrashes: 3, error }), 0)
  assert.equal(await tasks.reclaim({ worker: 'w', deadAfterCrashes: 3, error }), 3)
  assert.equal(await tasks.reclaim({ worker: 'w', deadAfterCrashes: 3, error }), 0)
  assert.deepEqual(await tasks.holders(), [])
  assert.deepEqual(await states(ids), Array(3).fill('suspect'))
  assert.equal((await status('q')).counts.suspect, 3)
  for (const task of before) assert.equal(await settle(task), 'fenced', 'its worker is gone')
  const none = await ask({ suspects: 0, limit: 9 })
  assert.deepEqual(idsOf(none.tasks), [later])
  assert.notEqual(none.nextMs, 0, 'what it may not take does not make it ask again at once')
  const fresh = await add({ headStartMs: HOUR })
  const alone = await claim({ worker: 'v', suspects: 1 })
  assert.deepEqual(idsOf(alone), [ids[0], fresh], 'the suspect first, and only one')
  assert.deepEqual([alone[0]?.crashes, alone[0]?.starts, alone[0]?.attempts], [1, 2, 0])
  const suspect = { id: ids[0] ?? '', starts: 2 }
  assert.equal(await settle(suspect, { worker: 'v', as: 'release' }), 'settled')
  assert.equal((await row(suspect.id)).state, 'suspect', 'it stays one until it has ended')
  assert.equal(only(await claim({ worker: 'v' })).id, suspect.id)
  assert.equal(await settle({ ...suspect, starts: 3 }, { worker: 'v' }), 'settled')
  assert.equal(only(await claim({ worker: 'v' })).id, ids[1])
}

async function killer({ open }: Context): Promise<void> {
  const { add, claim, tasks, row } = taskBench(await open())
  const id = await add()
  const error = taskError('killer', 'it kills')
  for (let crash = 1; crash <= 3; crash += 1) {
    const task = only(await claim({ worker: `w${crash}` }))
    assert.deepEqual([task.id, task.crashes, task.attempts], [id, crash - 1, 0])
    assert.equal(await tasks.reclaim({ worker: `w${crash}`, deadAfterCrashes: 3, error }), 1)
    assert.equal((await row(id)).state, crash < 3 ? 'suspect' : 'dead')
  }
  const dead = await row(id)
  assert.deepEqual([dead.crashes, dead.error, dead.worker], [3, error, undefined])
  assert.ok(dead.endedAt !== undefined)
  assert.deepEqual(await claim(), [])
}

async function crashInOrder({ open }: Context): Promise<void> {
  const { addAll, claim, tasks, put, settle } = taskBench(await open())
  await put('q', { key: { order: true } })
  const ids = await addAll([{ key: 'k' }, { key: 'k' }])
  assert.equal(only(await claim()).id, ids[0])
  await tasks.reclaim({ worker: 'w', deadAfterCrashes: 2, error: taskError() })
  const again = only(await claim({ worker: 'v', limit: 9 }))
  assert.equal(again.id, ids[0])
  await settle(again, { worker: 'v', as: 'retry', delayMs: HOUR })
  assert.deepEqual(await claim(), [])
  await tasks.reclaim({ worker: 'v', deadAfterCrashes: 2, error: taskError() })
  assert.deepEqual(await claim(), [])
}

async function manyReclaimed({ open }: Context): Promise<void> {
  const { addAll, claim, tasks, status } = taskBench(await open())
  for (let at = 0; at < 3; at += 1) await addAll(Array.from({ length: 400 }, () => ({})))
  while ((await claim({ limit: 500 })).length > 0);
  const taken: number[] = []
  do {
    taken.push(await tasks.reclaim({ worker: 'w', deadAfterCrashes: 3, error: taskError() }))
    assert.ok((taken.at(-1) ?? 0) <= 1_000, 'bounded')
    assert.deepEqual(await tasks.holders(), taken.reduce((sum, each) => sum + each, 0) < 1_200 ? ['w'] : [])
  } while (taken.at(-1) !== 0)
  assert.equal(
    taken.reduce((sum, each) => sum + each, 0),
    1_200,
  )
  assert.equal((await status('q')).counts.suspect, 1_200)
}

async function bothReclaim({ open, openSecond }: Context): Promise<void> {
  const one = taskBench(await open())
  const other = taskBench(await openSecond())
  const ids = await one.addAll(Array.from({ length: 40 }, () => ({})))
  assert.equal((await one.claim()).length, 40)
  const request = { worker: 'w', deadAfterCrashes: 3, error: taskError() }
  const taken = await Promise.all([one, other, one, other].map(({ tasks }) => tasks.reclaim(request)))
  assert.equal(
    taken.reduce((sum, each) => sum + each, 0),
    40,
  )
  const rows = await other.tasks.get(ids)
  assert.ok(rows.every(({ crashes, state }) => crashes === 1 && state === 'suspect'))
}
