import assert from 'node:assert/strict'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import type { Property } from '../property.ts'
import { HOUR, only, settleOf, taskBench, taskError } from './task-bench.ts'

/** What running tasks say of themselves, and how others hear that something has changed. */
export const noteAndHintProperties: readonly Property[] = [
  { id: '59 progress and log lines are kept with their task', needs: ['tasks'], run: notes },
  { id: '59 notes of a claim that has ended are ignored', needs: ['tasks'], run: lateNotes },
  { id: '59 a task keeps its last thousand log lines', needs: ['tasks'], run: manyLines },
  { id: '59 who listens hears of what others change', needs: ['tasks', 'secondProcess'], run: hints },
]

async function notes({ open }: Context): Promise<void> {
  const { add, claim, exchange, row, admin, settle } = taskBench(await open())
  const id = await add()
  const task = only(await claim())
  const note = { id, starts: 1 }
  await exchange({ notes: [{ ...note, progress: '{"done":1}', log: ['one', 'two é'] }] })
  await exchange({ notes: [{ ...note, progress: undefined, log: ['three'] }] })
  assert.equal((await row(id)).progress, '{"done":1}')
  await exchange({
    notes: [
      { ...note, progress: '{"done":2}', log: [] },
      { ...note, progress: '{"done":3}', log: ['four\nwith a break', ''] },
    ],
  })
  const { settled } = await exchange({
    notes: [{ ...note, progress: '{"done":4}', log: ['last words'] }],
    settles: [settleOf(task)],
  })
  assert.deepEqual(settled, ['settled'])
  assert.deepEqual([(await row(id)).state, (await row(id)).progress], ['done', '{"done":4}'])
  assert.deepEqual(await admin.logs(id), ['one', 'two é', 'three', 'four\nwith a break', '', 'last words'])
  assert.deepEqual(await admin.logs('nobody'), [])
  await admin.change([id], { action: 'discard' })
  assert.deepEqual(await admin.logs(id), [], 'kept as long as the task')
  const other = await add()
  await claim()
  await exchange({ notes: [{ id: other, starts: 1, progress: undefined, log: ['first try'] }] })
  await settle({ id: other, starts: 1 }, { as: 'retry' })
  await claim()
  await exchange({ notes: [{ id: other, starts: 2, progress: undefined, log: ['second try'] }] })
  assert.deepEqual(await admin.logs(other), ['first try', 'second try'])
}

async function lateNotes({ open }: Context): Promise<void> {
  const { add, claim, exchange, row, admin, tasks } = taskBench(await open())
  const id = await add()
  await claim()
  const note = { id, starts: 1, progress: '{"late":true}', log: ['late'] }
  await exchange({ worker: 'other', notes: [note] })
  await exchange({ notes: [{ ...note, starts: 2 }] })
  await tasks.reclaim({ worker: 'w', deadAfterCrashes: 3, error: taskError() })
  await exchange({ notes: [note, { ...note, id: 'nobody' }] })
  only(await claim())
  await exchange({ notes: [note] })
  assert.equal((await row(id)).progress, undefined)
  assert.deepEqual(await admin.logs(id), [])
}

async function manyLines({ open }: Context): Promise<void> {
  const { add, claim, exchange, admin } = taskBench(await open())
  const id = await add()
  await claim()
  const lines = Array.from({ length: 2_300 }, (_, at) => `line ${at}`)
  for (const [from, to] of [
    [0, 700],
    [700, 2_290],
    [2_290, 2_300],
  ]) {
    await exchange({ notes: [{ id, starts: 1, progress: undefined, log: lines.slice(from, to) }] })
  }
  assert.deepEqual(await admin.logs(id), lines.slice(-1_000))
}

/** Hints may be lost: what is asked is that they come at all, for each kind of change. */
async function hints({ open, openSecond, onEnd }: Context): Promise<void> {
  const { tasks } = taskBench(await open())
  const { add, claim, settle, admin, tasks: others } = taskBench(await openSecond())
  if (tasks.listen === undefined) return
  const heard = new Set<string>()
  const listening = tasks.listen((queues) => queues.forEach((queue) => heard.add(queue)))
  onEnd(() => listening.stop())
  const hear = (what: string, queue: string, change: () => Promise<unknown>): Promise<unknown> =>
    eventually(`a hint of ${what}`, async () => {
      await change()
      return eventually(what, () => heard.has(queue), 300).catch(() => false)
    })
  await hear('a new task', 'new', () => add({ queue: 'new' }))
  await hear('a task that is done', 'done', async () => {
    await add({ queue: 'done' })
    const [task] = await claim({ queue: 'done' })
    heard.delete('done')
    if (task !== undefined) await settle(task)
  })
  await hear('a task that is cancelled', 'cancelled', async () => {
    const id = await add({ queue: 'cancelled' })
    await claim({ queue: 'cancelled' })
    heard.delete('cancelled')
    await admin.change([id], { action: 'cancel' })
  })
  await hear('a task that is run now', 'run', async () => {
    const id = await add({ queue: 'run', delayMs: HOUR })
    heard.delete('run')
    await admin.change([id], { action: 'run' })
  })
  await hear('a task that is reclaimed', 'reclaimed', async () => {
    await add({ queue: 'reclaimed' })
    await claim({ queue: 'reclaimed', worker: 'gone' })
    heard.delete('reclaimed')
    await others.reclaim({ worker: 'gone', deadAfterCrashes: 9, error: taskError() })
  })
  assert.equal(listening.arriving, true)
  listening.stop()
  listening.stop()
}
