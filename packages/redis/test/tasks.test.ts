import { DEFAULT_QUEUE_SETTINGS, isMillraceError } from '@millrace/core/driver'
import { askRedis, available, type EngineServer, startFaultProxy, startRedis } from 'engines'
import { readFile } from 'node:fs/promises'
import { taskStoresOf } from '@millrace/core/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../../conformance/src/eventually.ts'
import { EXCHANGE_TASKS } from '../src/scripts/tasks-exchange.ts'
import { atEnd, openDriver } from './driver-of.ts'
import { claim, done, exchange, newTask, newTasks } from './tasks-of.ts'

async function ownServer(options: Parameters<typeof startRedis>[0] = {}): Promise<EngineServer> {
  const started = await startRedis({ ...options, own: true })
  atEnd(() => started.stop())
  return started
}

describe.runIf(await available('redis-server'))('tasks on Redis', () => {
  let server: EngineServer
  let made = 0
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  const newPrefix = (): string => `tasks-${process.pid}-${(made += 1)}:`

  test('what a lost answer gave is taken back, and given again', async () => {
    const prefix = newPrefix()
    await using proxy = await startFaultProxy(server.url)
    const driver = openDriver({ url: proxy.url, prefix, callTimeoutMs: 2_000 })
    await driver.transport.connect()
    const { tasks, taskAdmin } = taskStoresOf(driver)
    await tasks.enqueue(newTasks(3))
    const [first] = await claim(driver, 'w', 1)
    if (first === undefined) throw new Error('Nothing was claimed.')
    await proxy.set({ hold: 'toClient' })
    const lost = exchange(driver, 'w', [done(first)], 10)
    await expect(lost).rejects.toMatchObject({ code: 'engine_unreachable', facts: { sent: true } })
    await proxy.heal()
    // The server has given two to this worker, who does not know; its settle was done.
    const again = await eventually('it answers again', () =>
      tasks
        .exchange({
          worker: 'w',
          settles: [done(first)],
          notes: [],
          claims: [{ queue: 'q', names: ['n'], limit: 10, suspects: 0 }],
        })
        .catch(() => undefined),
    )
    expect(again.settled).toEqual(['fenced'])
    expect(again.claimed[0]?.tasks.map(({ id, starts, attempts, crashes }) => [id, starts, attempts, crashes])).toEqual(
      [
        ['q-1', 2, 0, 0],
        ['q-2', 2, 0, 0],
      ],
    )
    await exchange(driver, 'w', (again.claimed[0]?.tasks ?? []).map(done))
    expect((await taskAdmin.list({ states: ['done'], limit: 9 })).map(({ starts }) => starts)).toEqual([2, 2, 1])
    expect(await tasks.holders()).toEqual([])
  })

  test('a round that was given up and comes late does nothing', async () => {
    const prefix = newPrefix()
    const driver = openDriver({ url: server.url, prefix })
    await driver.transport.connect()
    const { tasks } = taskStoresOf(driver)
    await tasks.enqueue(newTasks(2))
    const base = `${prefix}{${prefix}tasks}:`
    const round = (number: string, lost: string): Promise<unknown> =>
      askRedis(
        server.url,
        ...['EVAL', EXCHANGE_TASKS.source, '2', base, `${base}-`, `${prefix}wake-tasks`],
        ...['w', number, lost, '0', '0', 'q', '1', '0', '1', 'n'],
      )
    expect(JSON.stringify(await round('8', '7'))).toContain('q-0')
    expect(await round('7', '')).toBe('stale')
    expect((await tasks.get(['q-1']))[0]?.state).toBe('ready')
    expect(JSON.stringify(await round('9', ''))).toContain('q-1')
  })

  test('a server that is away is told to who adds tasks long before a call is given up', async () => {
    const away = await ownServer()
    const driver = openDriver({ url: away.url, prefix: newPrefix(), callTimeoutMs: 600_000 })
    await driver.transport.connect()
    const { tasks } = taskStoresOf(driver)
    await tasks.enqueue([newTask('before')])
    await away.kill()
    // What was on its way when the connection broke is unknown; from then on nothing is sent.
    await tasks.enqueue([newTask('first')]).catch(() => [])
    const said = await tasks.enqueue([newTask('second')]).catch((error: unknown) => error)
    expect(said).toMatchObject({ code: 'engine_unreachable', retriable: true })
    await away.restart()
    expect(await tasks.get(['second'])).toEqual([])
  })

  test('when all is done and dropped, nothing is left but the queue', async () => {
    const prefix = newPrefix()
    const driver = openDriver({ url: server.url, prefix })
    await driver.transport.connect()
    const { tasks, taskAdmin, settings, schedules } = taskStoresOf(driver)
    const limits = { order: true, concurrency: undefined, rate: { limit: 1_000_000, perMs: 1 } }
    const keep = { ageMs: 3_600_000, count: 0, bytes: 1 }
    const rate = { limit: 9_999, perMs: 1 }
    const queue = { paused: false, concurrency: 900, rate, maxWaiting: undefined, key: limits, fairMs: 1 }
    await taskAdmin.putQueue({
      name: 'q',
      expectedVersion: 0,
      settings: { ...queue, keep, keepDead: keep },
      note: '',
    })
    const dedupe = { key: 'd', mode: 'keep', until: 'window', windowMs: 1 } as const
    await tasks.enqueue([
      newTask('parent', { children: 2, expiresInMs: 60_000 }),
      newTask('a', { key: 'k', tenant: 't', parent: 'parent' }),
      newTask('b', { key: 'k', tenant: 't', parent: 'parent' }),
      newTask('c', { key: 'k2', tenant: 'u', dedupe, delayMs: 1 }),
      newTask('d', { dedupe: { ...dedupe, key: 'e', until: 'end' } }),
    ])
    await settings.put('s', 'v', 0)
    await settings.put('s', undefined, 1)
    await schedules.put({ name: 's', spec: '{}', nextAt: 1, lastAt: undefined }, 0)
    await schedules.remove('s')
    await eventually('all of them have run', async () => {
      const given = await claim(driver, 'w')
      await tasks.exchange({
        worker: 'w',
        settles: given.map((task) => (task.id === 'd' ? { ...done(task), as: 'dead' } : done(task))),
        notes: given.map(({ id, starts }) => ({ id, starts, progress: '1', log: ['line'] })),
        claims: [],
      })
      return (await taskAdmin.list({ limit: 9 })).length === 0
    })
    const left = await eventually('what has a time is swept', async () => {
      await taskAdmin.sweep()
      const keys = (await askRedis(server.url, 'KEYS', `${prefix}{${prefix}tasks}*`)) as readonly string[]
      return keys.length <= 3 ? keys : undefined
    })
    const base = `${prefix}{${prefix}tasks}:`
    expect(left.toSorted()).toEqual([`${base}names:q`, `${base}number`, `${base}queues`])
    expect(await taskAdmin.removeQueue('q')).toBe(true)
    expect(await askRedis(server.url, 'KEYS', `${prefix}{${prefix}tasks}*`)).toEqual([`${base}number`])
  })

  test('a limit that is lifted lets a long line go in steps, and all of it', async () => {
    const driver = openDriver({ url: server.url, prefix: newPrefix() })
    await driver.transport.connect()
    const { tasks, taskAdmin } = taskStoresOf(driver)
    const put = async (order: boolean, expectedVersion: number): Promise<void> => {
      const key = { order, concurrency: undefined, rate: undefined }
      await taskAdmin.putQueue({
        name: 'q',
        expectedVersion,
        settings: { ...DEFAULT_QUEUE_SETTINGS, key },
        note: '',
      })
    }
    const counts = async (): Promise<unknown> => {
      const [status] = await taskAdmin.queues()
      return [status?.counts.ready, status?.counts.waiting]
    }
    await put(true, 0)
    await tasks.enqueue(newTasks(2_500, { key: 'k' }))
    expect(await counts()).toEqual([1, 2_499])
    await put(false, 1)
    expect((await taskAdmin.sweep()).more).toBe(true)
    expect(await counts()).toEqual([1_001, 1_499])
    while ((await taskAdmin.sweep()).more);
    expect(await counts()).toEqual([2_500, 0])
    // In their order still, whatever the steps.
    expect((await claim(driver, 'w', 3)).map(({ id }) => id)).toEqual(['q-0', 'q-1', 'q-2'])
  })

  test('a dedupe key whose task is gone holds nothing', async () => {
    const prefix = newPrefix()
    const driver = openDriver({ url: server.url, prefix })
    await driver.transport.connect()
    const { tasks } = taskStoresOf(driver)
    const dedupe = { key: 'd', mode: 'keep', until: 'end', windowMs: undefined } as const
    await tasks.enqueue([newTask('lost', { dedupe })])
    await askRedis(server.url, 'HDEL', `${prefix}{${prefix}tasks}:tasks`, 'lost')
    expect(await tasks.enqueue([newTask('next', { dedupe })])).toEqual([{ outcome: 'stored', id: 'next' }])
  })
})

describe.runIf(await available('redis-server'))('tasks and the server they are on', () => {
  test('a server that is killed while tasks are added and claimed loses none, and gives none twice at once', async () => {
    const server = await ownServer({ appendfsync: 'always' })
    const driver = openDriver({ url: server.url, callTimeoutMs: 2_000 })
    await driver.transport.connect()
    const { tasks, taskAdmin } = taskStoresOf(driver)
    const all = Array.from({ length: 40 }, (_, batch) =>
      newTasks(50).map(({ id, ...task }) => ({ ...task, id: `${batch}-${id}` })),
    )
    let known = 0
    // As the core does: what is not known to be stored is sent again, with the same ids.
    const adding = Promise.all(
      all.map(async (batch) => {
        await eventually('a batch is stored', () =>
          tasks.enqueue(batch).then(
            () => true,
            (error: unknown) => {
              if (isMillraceError(error) && error.retriable) return false
              throw error
            },
          ),
        )
        known += 1
      }),
    )
    const ran = new Set<string>()
    const open = new Map<string, Parameters<typeof done>[0]>()
    let kills = 0
    await eventually('all have run', async () => {
      if (kills < 3 && known >= 5 * (kills + 1)) {
        kills += 1
        await server.kill()
        await server.restart()
      }
      const settles = [...open.values()].map(done)
      const request = {
        worker: 'w',
        settles,
        notes: [],
        claims: [{ queue: 'q', names: ['n'], limit: 60, suspects: 0 }],
      }
      const given = await tasks.exchange(request).catch(() => undefined)
      if (given === undefined) return false
      for (const { id } of settles) {
        ran.add(id)
        open.delete(id)
      }
      for (const task of given.claimed[0]?.tasks ?? []) open.set(task.id, task)
      return ran.size === 2_000 && open.size === 0
    })
    await adding
    expect(kills).toBe(3)
    const [status] = await taskAdmin.queues()
    expect([status?.counts.done, status?.counts.ready, status?.counts.running]).toEqual([2_000, 0, 0])
    expect(await tasks.holders()).toEqual([])
  })

  test('a full server refuses new tasks, and lets those that run be finished', async () => {
    const server = await ownServer()
    const driver = openDriver(server.url)
    await driver.transport.connect()
    const { tasks } = taskStoresOf(driver)
    await tasks.enqueue(newTasks(2))
    const given = await claim(driver, 'w')
    await askRedis(server.url, 'CONFIG', 'SET', 'maxmemory', '1mb')
    await expect(tasks.enqueue([newTask('more')])).rejects.toMatchObject({ code: 'engine_full' })
    await exchange(driver, 'w', given.map(done))
    expect((await tasks.get(['q-0', 'q-1'])).map(({ state }) => state)).toEqual(['done', 'done'])
    await askRedis(server.url, 'CONFIG', 'SET', 'maxmemory', '0')
    expect(await tasks.enqueue([newTask('more')])).toHaveLength(1)
  })

  test('a task of 250 bytes takes less than a KiB', async () => {
    const server = await ownServer()
    const driver = openDriver(server.url)
    await driver.transport.connect()
    const { tasks } = taskStoresOf(driver)
    const used = async (): Promise<number> =>
      Number(/used_memory:(\d+)/.exec(String(await askRedis(server.url, 'INFO', 'memory')))?.[1])
    const body = JSON.stringify({ input: 'x'.repeat(238) })
    const batch = (from: number): ReturnType<typeof newTasks> =>
      Array.from({ length: 500 }, (_, at) => newTask(`0192f3a4-5b6c-7d8e-9f00-${1e11 + from + at}`, { body }))
    await tasks.enqueue(batch(0))
    const before = await used()
    for (let from = 500; from < 10_500; from += 500) await tasks.enqueue(batch(from))
    expect((await used()) - before).toBeLessThan(10_000 * 1_024)
  })

  test('an exchange asks for no more when ten times as many tasks are there', async () => {
    const server = await ownServer()
    const driver = openDriver(server.url)
    await driver.transport.connect()
    const { tasks } = taskStoresOf(driver)
    const calls = async (): Promise<Record<string, number>> => {
      const stats = String(await askRedis(server.url, 'INFO', 'commandstats'))
      const found = [...stats.matchAll(/cmdstat_([a-z|]+):calls=(\d+)/g)].map(([, name, count]) => [
        name,
        Number(count),
      ])
      return Object.fromEntries(found) as Record<string, number>
    }
    const cost = async (): Promise<Record<string, number>> => {
      const given = await claim(driver, 'w', 20)
      const before = await calls()
      await exchange(driver, 'w', given.map(done), 20)
      const after = await calls()
      const spent = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
      return Object.fromEntries(spent.filter(([name, count]) => count > 0 && name !== 'info'))
    }
    const fill = async (round: string, count: number): Promise<void> => {
      const kinds = [{}, { delayMs: 3_600_000 }, { key: 'k' }, { headStartMs: 100_000 }]
      for (const [kind, wish] of kinds.entries())
        await tasks.enqueue(newTasks(count, wish).map((task) => ({ ...task, id: `${round}-${kind}-${task.id}` })))
    }
    await fill('few', 100)
    const few = await cost()
    await fill('many', 1_000)
    expect(await cost()).toEqual(few)
    expect(Object.keys(few).filter((name) => /^(keys|scan|hscan|hgetall|hvals|sort)$/.test(name))).toEqual([])
  })

  test('a user with the rights of the ACL file can do all of it', async () => {
    const server = await ownServer()
    const rules = await readFile(new URL('../acl/millrace.acl', import.meta.url), 'utf8')
    await askRedis(server.url, 'ACL', 'SETUSER', ...rules.trim().split(' ').slice(1))
    const driver = openDriver(server.url.replace('redis://', 'redis://millrace:change-me@'))
    await driver.transport.connect()
    const { tasks, taskAdmin, schedules, settings } = taskStoresOf(driver)
    const heard: string[] = []
    const hints = tasks.listen?.((queues) => void heard.push(...queues))
    await eventually('it listens', () => hints?.arriving === true)
    const dedupe = { key: 'd', mode: 'debounce', until: 'window', windowMs: 1 } as const
    await tasks.enqueue([
      newTask('parent', { children: 1, expiresInMs: 1 }),
      newTask('child', { parent: 'parent', key: 'k' }),
      newTask('once', { dedupe, delayMs: 60_000, tenant: 't' }),
    ])
    await tasks.enqueue([newTask('twice', { dedupe })])
    const given = await claim(driver, 'w')
    await tasks.exchange({
      worker: 'w',
      settles: [],
      notes: given.map(({ id, starts }) => ({ id, starts, progress: '1', log: ['line'] })),
      claims: [],
    })
    const error = { code: 'c', message: 'm', stack: undefined, fingerprint: 'f' }
    expect(await tasks.reclaim({ worker: 'w', deadAfterCrashes: 1, error })).toBe(given.length)
    expect((await taskAdmin.deadCounts()).map(({ fingerprint }) => fingerprint)).toContain('f')
    expect(await tasks.outcomes('parent')).toHaveLength(1)
    expect(await taskAdmin.logs('child')).toEqual(['line'])
    await taskAdmin.change(['child'], { action: 'run' })
    await taskAdmin.change(['child'], { action: 'postpone', delayMs: 0 })
    await taskAdmin.change(['child'], { action: 'prioritise', headStartMs: 5 })
    expect(await taskAdmin.ahead('child', 10)).toBeTypeOf('number')
    await taskAdmin.change(['child'], { action: 'cancel' })
    expect((await taskAdmin.list({ limit: 10 })).length).toBeGreaterThan(1)
    const [status] = await taskAdmin.queues()
    if (status === undefined) throw new Error('There is no queue.')
    const put = { name: 'q', expectedVersion: 0, settings: { ...status.settings, fairMs: 5 }, note: '' }
    expect(await taskAdmin.putQueue(put)).toEqual({ version: 1 })
    await taskAdmin.sweep()
    const row = { name: 's', spec: '{}', nextAt: 5, lastAt: undefined }
    await schedules.put(row, 0)
    expect((await schedules.due(10, 5)).due).toHaveLength(1)
    expect(await schedules.fire({ row: { ...row, version: 1, lastAt: 5 }, tasks: [newTask('fired')] })).toBe(true)
    expect(await schedules.list({ limit: 5 })).toHaveLength(1)
    expect(await schedules.remove('s')).toBe(true)
    expect(await settings.put('name', 'value', 0)).toEqual({ version: 1 })
    expect(await settings.list('na')).toHaveLength(1)
    await eventually('something was heard', () => heard.includes('q'))
    hints?.stop()
  })
})
