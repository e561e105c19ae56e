import { expect, test } from 'vitest'
import { DEFAULT_QUEUE_SETTINGS, type Driver, type NewTask } from '../../src/driver.ts'
import { createMemoryEngine, memory } from '../../src/memory.ts'
import { systemRuntime } from '../../src/runtime/system-runtime.ts'
import { newTask, taskStoresOf, type TaskStores } from '../../src/testing.ts'

const BODY = JSON.stringify({ text: 'x'.repeat(1_000) })
let made = 0

test('a full engine refuses tasks and says so, until retention makes room', async () => {
  const { tasks, taskAdmin, schedules } = await storesOf(memory({ maxBytes: 20_000 }).open(systemRuntime()))
  const first = newTasks(10)
  await tasks.enqueue(first)
  await expect(tasks.enqueue(newTasks(10))).rejects.toMatchObject({ code: 'engine_full', retriable: true })
  const row = await schedules.put({ name: 's', spec: '{}', nextAt: 1, lastAt: undefined }, 0)
  if (row === undefined) throw new Error('The schedule is stored.')
  await expect(schedules.fire({ row, tasks: newTasks(10) })).rejects.toMatchObject({ code: 'engine_full' })
  expect(await schedules.get('s')).toEqual(row)
  await taskAdmin.putQueue({
    name: 'q',
    expectedVersion: 0,
    settings: { ...DEFAULT_QUEUE_SETTINGS, keep: { ageMs: 0, count: 0, bytes: 0 } },
    note: '',
  })
  await taskAdmin.change(
    first.map(({ id }) => id),
    { action: 'cancel' },
  )
  await taskAdmin.sweep()
  await tasks.enqueue(newTasks(10))
})

test('what has been forgotten takes no room', async () => {
  const engine = createMemoryEngine()
  const { tasks, taskAdmin } = await storesOf(memory({ engine }).open(systemRuntime()))
  const key = { order: false, concurrency: 1, rate: { limit: 5, perMs: 1 } }
  const keep = { ageMs: 0, count: 0, bytes: 0 }
  const settings = { ...DEFAULT_QUEUE_SETTINGS, key, fairMs: 1, keep, keepDead: keep }
  await taskAdmin.putQueue({ name: 'q', expectedVersion: 0, settings, note: '' })
  const dedupe = { key: 'd', mode: 'replace', until: 'window', windowMs: 1 } as const
  const parent = newTasks(1, { children: 1 })
  await tasks.enqueue([...newTasks(5, { key: 'k', tenant: 't', expiresInMs: 9_000 }), ...parent])
  await tasks.enqueue(newTasks(2, { dedupe, body: '{}' }))
  await tasks.enqueue(newTasks(1, { parent: parent[0]?.id, delayMs: 9_000 }))
  const all = await taskAdmin.list({ limit: 100 })
  await taskAdmin.change(
    all.map(({ id }) => id),
    { action: 'cancel' },
  )
  await expect
    .poll(async () => {
      await taskAdmin.sweep()
      const queue = engine.tasks.queues.get('q')
      const { tasks: left, ended, children, expiring, windows, idleKeys, running, bytes } = engine.tasks
      const sizes = [left, ended, children, expiring, windows, idleKeys, running].map(({ size }) => size)
      return [...sizes, bytes, engine.bytes, queue?.keys.size, queue?.turns.size, queue?.dedupe.size]
    })
    .toEqual(Array.from({ length: 12 }, () => 0))
})

function newTasks(count: number, wish: Partial<NewTask> = {}): NewTask[] {
  return Array.from({ length: count }, () => {
    made += 1
    return newTask({ id: `t${made}`, body: BODY, ...wish })
  })
}

async function storesOf(driver: Driver): Promise<TaskStores> {
  await driver.transport.connect()
  return taskStoresOf(driver)
}
