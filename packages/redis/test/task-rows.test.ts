import type { Driver, NewTask, TaskRow } from '@millrace/core/driver'
import { settleOf, taskStoresOf } from '@millrace/core/testing'
import { askRedis, available, type EngineServer, startRedis } from 'engines'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../../conformance/src/eventually.ts'
import { openDriver } from './driver-of.ts'
import { claim, done, exchange, newTask } from './tasks-of.ts'

describe.runIf(await available('redis-server'))('rows of tasks on Redis', () => {
  let server: EngineServer
  let made = 0
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  async function open(): Promise<{ readonly driver: Driver; readonly base: string }> {
    const prefix = `rows-${process.pid}-${(made += 1)}:`
    const driver = openDriver({ url: server.url, prefix })
    await driver.transport.connect()
    return { driver, base: `${prefix}{${prefix}tasks}:` }
  }

  const until = (key: string, wish: Partial<NewTask['dedupe']> = {}): Pick<NewTask, 'dedupe'> => ({
    dedupe: { key, mode: 'keep', until: 'end', windowMs: undefined, ...wish },
  })

  test('what one call says twice counts once, whatever kind of task says it first', async () => {
    const { driver } = await open()
    const { tasks } = taskStoresOf(driver)
    const added = await tasks.enqueue([
      newTask('plain', { body: '{"n":1}', ...until('a') }),
      newTask('keyed', { key: 'k', ...until('b') }),
      newTask('plain', { body: '{"n":1}', ...until('a') }),
      newTask('plain', { body: '{"n":2}' }),
      newTask('second', until('a')),
      newTask('third', until('b')),
      newTask('elsewhere', { queue: 'other', ...until('a') }),
      newTask('elsewhere too', { queue: 'other', ...until('a') }),
      newTask('keyed', { key: 'k' }),
      newTask('last', until('c')),
    ])
    expect(added).toEqual([
      { outcome: 'stored', id: 'plain' },
      { outcome: 'stored', id: 'keyed' },
      { outcome: 'stored', id: 'plain' },
      { outcome: 'taken', id: 'plain', name: 'n', body: '{"n":1}' },
      { outcome: 'duplicate', id: 'plain' },
      { outcome: 'duplicate', id: 'keyed' },
      { outcome: 'stored', id: 'elsewhere' },
      { outcome: 'duplicate', id: 'elsewhere' },
      { outcome: 'stored', id: 'keyed' },
      { outcome: 'stored', id: 'last' },
    ])
    expect((await claim(driver, 'w')).map(({ id }) => id)).toEqual(['plain', 'keyed', 'last'])
  })

  test('tasks with and without keys come in the order of one call', async () => {
    const { driver } = await open()
    const wishes: Partial<NewTask>[] = [{}, { key: 'k' }, { headStartMs: 5_000 }, { key: 'l', headStartMs: 5_000 }]
    const batch = Array.from({ length: 600 }, (_, at) => newTask(`${at}`, wishes[at % 4]))
    await taskStoresOf(driver).tasks.enqueue(batch)
    const ids = (urgent: boolean): readonly string[] =>
      batch.map(({ id }) => id).filter((_, at) => at % 4 > 1 === urgent)
    expect((await claim(driver, 'w', 1_000)).map(({ id }) => id)).toEqual([...ids(true), ...ids(false)])
  })

  test('a row tells the same in every form that it has', async () => {
    const { driver } = await open()
    const { tasks, taskAdmin } = taskStoresOf(driver)
    const body = `{"input":"Mühle\\n","long":"${'ä\u0000'.repeat(3_000)}"}\nand a line`
    const wish = { body, headStartMs: 7, expiresInMs: 3_600_000, tenant: 't', ...until('d\nd') }
    await tasks.enqueue([newTask('later', { ...wish, ...until('e'), delayMs: 3_600_000 }), newTask('a\nb', wish)])
    const row = async (id = 'a\nb'): Promise<TaskRow> => {
      const [found] = await tasks.get([id])
      if (found === undefined) throw new Error(`The task ${id} is not there.`)
      return found
    }
    const ready = await row()
    expect(ready).toMatchObject({ state: 'ready', name: 'n', body, headStartMs: 7, tenant: 't', dedupeKey: 'd\nd' })
    expect([ready.dueAt, ready.worker, ready.startedAt, ready.endedAt]).toEqual([
      ready.addedAt,
      ...Array(3).fill(undefined),
    ])
    expect(await row('later')).toMatchObject({
      state: 'delayed',
      delayedBy: 'delay',
      body,
      dueAt: ready.addedAt + 3_600_000,
    })

    const [first] = await claim(driver, 'w')
    if (first === undefined) throw new Error('Nothing was claimed.')
    expect([first.id, first.body, first.starts, first.tenant]).toEqual(['a\nb', body, 1, 't'])
    const { startedAt, ...running } = await row()
    expect({ ...running, startedAt: undefined }).toEqual({ ...ready, state: 'running', worker: 'w', starts: 1 })
    expect(startedAt).toBeGreaterThanOrEqual(ready.addedAt)
    expect(await tasks.running('w')).toEqual([{ id: 'a\nb', starts: 1 }])

    await exchange(driver, 'w', [settleOf(first, { as: 'retry' })])
    expect(await row()).toEqual({
      ...ready,
      state: 'ready',
      starts: 1,
      attempts: 1,
      startedAt,
      dueAt: expect.any(Number) as number,
    })
    const [second] = await claim(driver, 'w')
    if (second === undefined) throw new Error('Nothing was claimed again.')
    expect([second.body, second.starts, second.attempts]).toEqual([body, 2, 1])
    await exchange(driver, 'w', [done(second)])
    expect(await row()).toMatchObject({
      state: 'done',
      body,
      output: '"fine"',
      dedupeKey: 'd\nd',
      addedAt: ready.addedAt,
    })
    expect(await tasks.enqueue([newTask('next', until('d\nd'))])).toEqual([{ outcome: 'stored', id: 'next' }])

    await taskAdmin.change(['later'], { action: 'run' })
    expect(await row('later')).toMatchObject({ state: 'ready', body })
    const replace = { ...until('e', { mode: 'replace' }), body: '{}', headStartMs: 9 }
    expect(await tasks.enqueue([newTask('other', replace)])).toEqual([{ outcome: 'duplicate', id: 'later' }])
    expect(await row('later')).toMatchObject({ state: 'ready', body: '{}', headStartMs: 9, dedupeKey: 'e' })
    const bodies = Object.fromEntries((await claim(driver, 'w')).map(({ id, body: given }) => [id, given]))
    expect(bodies).toEqual({ later: '{}', next: newTask('next').body })
  })

  test('what a task keeps of its bytes is counted in every form', async () => {
    const { driver, base } = await open()
    const { tasks } = taskStoresOf(driver)
    const body = 'x'.repeat(5_000)
    await tasks.enqueue([newTask('plain', { body }), newTask('keyed', { body, key: 'k' }), newTask('again', { body })])
    const given = await claim(driver, 'w')
    await exchange(
      driver,
      'w',
      given.map((task) => (task.id === 'again' ? settleOf(task, { as: 'release' }) : settleOf(task, {}))),
    )
    await exchange(
      driver,
      'w',
      (await claim(driver, 'w')).map((task) => settleOf(task, {})),
    )
    const members = (await askRedis(server.url, 'ZRANGE', `${base}ended:done:q`, '0', '-1')) as readonly string[]
    expect(members.map((member) => member.split('\n')[1])).toEqual(Array(3).fill('5400'))
  })

  test('a dedupe key that is held without a window outlives the sweep of windows, also by a task whose id is a number', async () => {
    const { driver, base } = await open()
    const { tasks, taskAdmin } = taskStoresOf(driver)
    await tasks.enqueue([newTask('1', until('d', { until: 'window', windowMs: 1 }))])
    await exchange(driver, 'w', (await claim(driver, 'w')).map(done))
    await eventually('the window is over', async () => {
      const [next] = await tasks.enqueue([newTask('5', until('d'))])
      return next?.outcome === 'stored'
    })
    // As if it had been left there.
    await askRedis(server.url, 'ZADD', `${base}windows`, '1', 'q\n=d')
    await taskAdmin.sweep()
    expect(await askRedis(server.url, 'ZCARD', `${base}windows`)).toBe(0)
    expect(await tasks.enqueue([newTask('6', until('d'))])).toEqual([{ outcome: 'duplicate', id: '5' }])
  })
})
