import { settleOf } from '@millrace/core/testing'
import { expect, test } from 'vitest'
import { createQueueNews } from '../src/driver/queue-news.ts'
import { connected, openDriver, scratchFile } from './scratch.ts'
import { claimedOf, exchange, task, tasksOf } from './tasks.ts'
import { until } from './until.ts'

test('texts of claimed tasks travel between the threads in pieces and arrive whole', async () => {
  const { tasks } = tasksOf(await connected(scratchFile()))
  const given = Array.from({ length: 60 }, (_, n) => task(`task-${n}`, { body: `"${'ü😀x'.repeat(n * 40)}"` }))
  await tasks.enqueue(given)
  const claimed = claimedOf(await exchange(tasks, [], { limit: 100 }))
  expect(claimed.map(({ id, body }) => ({ id, body }))).toEqual(given.map(({ id, body }) => ({ id, body })))
})

test('a commit of another connection is told to those who listen, until they stop', async () => {
  const path = scratchFile()
  const { tasks } = tasksOf(await connected({ path, pollEveryMs: 3_600_000 }))
  const { tasks: others } = tasksOf(await connected(path))
  const told = new Set<string>()
  const hints = tasks.listen?.((queues) => queues.forEach((queue) => told.add(queue)))
  await until(() => hints?.arriving)
  await others.enqueue([task('a', { queue: 'reports' })])
  await until(() => told.has('reports'))
  expect([...told]).toEqual(['reports'])
  hints?.stop()
  expect(hints?.arriving).toBe(false)
})

test('what others change between two changes of our own is told with the second', () => {
  const news = createQueueNews()
  const told: string[] = []
  const reader = { call: async () => undefined, hold: () => () => {}, close: async () => {} }
  news.listen((queues) => told.push(...queues), reader as never)
  news.own([['mail', 3]])
  news.own([['mail', 4]])
  expect(told).toEqual([])
  news.own([['mail', 6]])
  expect(told).toEqual(['mail'])
  news.seen([['mail', 6]])
  expect(told).toEqual(['mail'])
  news.seen([['mail', 7]])
  expect(told).toEqual(['mail', 'mail'])
})

test('a settle that comes when its task and queue are long removed is fenced', async () => {
  const { tasks, admin } = tasksOf(await connected(scratchFile()))
  await tasks.enqueue([task('a')])
  const settles = claimedOf(await exchange(tasks, [])).map((each) => settleOf(each))
  const error = { code: 'gone', message: 'gone', stack: undefined, fingerprint: 'gone' }
  expect(await tasks.reclaim({ worker: 'w', deadAfterCrashes: 1, error })).toBe(1)
  expect(await admin.change(['a'], { action: 'discard' })).toEqual(['a'])
  expect(await admin.removeQueue('mail')).toBe(true)
  expect((await exchange(tasks, settles)).settled).toEqual(['fenced'])
})

test('a claim is the same after the file was closed and opened: its settle counts, another one is fenced', async () => {
  const path = scratchFile()
  const first = openDriver(path)
  await first.transport.connect()
  await tasksOf(first).tasks.enqueue([task('a'), task('b')])
  const claimed = claimedOf(await exchange(tasksOf(first).tasks, []))
  await first.transport.close()

  const { tasks } = tasksOf(await connected(path))
  expect(await tasks.holders()).toEqual(['w'])
  const [a, b] = claimed.map((each) => settleOf(each))
  if (a === undefined || b === undefined) throw new Error('Two tasks were claimed.')
  expect((await exchange(tasks, [a, { ...b, starts: 2 }])).settled).toEqual(['settled', 'fenced'])
  expect((await tasks.get(['a', 'b'])).map(({ state }) => state)).toEqual(['done', 'running'])
})
