import { DEFAULT_QUEUE_SETTINGS, type TaskSettle } from '@millrace/core/driver'
import { available, startPgbouncer, startPostgres } from 'engines'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { settleOf, taskStoresOf } from '@millrace/core/testing'
import { afterAll, describe, expect, test } from 'vitest'
import { postgres, workerRights } from '../src/index.ts'
import { startChild } from './child.ts'
import { loggingRuntime, openDriver } from './driver.ts'
import { claimOf, newTask, newTasks, workAll } from './new-tasks.ts'
import { ask, freshSchema, hasPostgres, testServer } from './test-server.ts'

const hasPgbouncer = await available('pgbouncer')
const LONG = { timeout: 360_000 }
const ERROR = { code: 'task_killed_worker', message: 'it ended', stack: undefined, fingerprint: 'k' }

describe.skipIf(!hasPostgres)('tasks in PostgreSQL', () => {
  afterAll(async () => (await testServer()).stop())

  test('processes that claim the same queue never get the same task', LONG, async () => {
    const { driver, url, schema } = await openDriver()
    const { tasks } = taskStoresOf(driver)
    const all = newTasks(2_000)
    await tasks.enqueue(all)
    const children = ['a', 'b', 'c'].map((worker) => startChild('task-worker.ts', [url, schema, worker]))
    const said = Promise.all(children.map(({ process }) => text(process.stdout ?? Readable.from([]))))
    await Promise.all(children.map(({ ready }) => ready))
    // They begin together, or the first might have done all of it.
    await tasks.enqueue([newTask({ queue: 'go' })])
    const finished = (await said).map((lines) => lines.split('\n').filter((line) => line.length === 36))
    expect(finished.flat().toSorted()).toEqual(all.map(({ id }) => id).toSorted())
    expect(finished.filter((each) => each.length > 0).length).toBeGreaterThan(1)
  })

  test('a server that is away is told to who adds tasks long before a call is given up', LONG, async () => {
    await using server = await startPostgres({ own: true })
    const { driver } = await openDriver({ url: server.url, schema: 'millrace', connectTimeoutMs: 600_000 })
    const { tasks } = taskStoresOf(driver)
    await tasks.enqueue(newTasks(1))
    await server.kill()
    await tasks.enqueue([newTask({ id: 'first' })]).catch(() => [])
    const said = await tasks.enqueue([newTask({ id: 'second' })]).catch((error: unknown) => error)
    expect(said).toMatchObject({ code: 'engine_unreachable', retriable: true })
    await server.restart()
    expect(await tasks.get(['second'])).toEqual([])
  })

  test('a server that is killed in mid-exchange loses no task, and no end counts twice', LONG, async () => {
    await using server = await startPostgres({ own: true })
    const { driver } = await openDriver({ url: server.url, schema: 'millrace', connectTimeoutMs: 20_000 })
    const stores = taskStoresOf(driver)
    const all = newTasks(3_000)
    await stores.tasks.enqueue(all)
    const settled: string[] = []
    let rounds = 0
    const worker = async (name: string): Promise<void> => {
      let settles: TaskSettle[] = []
      for (;;) {
        try {
          const request = { worker: name, settles, notes: [], claims: [claimOf(20)] }
          const { settled: answers, claimed } = await stores.tasks.exchange(request)
          rounds += 1
          for (const [at, { id }] of settles.entries()) if (answers[at] === 'settled') settled.push(id)
          settles = (claimed[0]?.tasks ?? []).map((task) => settleOf(task))
          if (settles.length === 0) return
        } catch {
          // Whether it counted is not known: what it had is taken from it, as from a worker that is gone.
          settles = []
          await stores.tasks.reclaim({ worker: name, deadAfterCrashes: 99, error: ERROR }).catch(() => 0)
        }
      }
    }
    const working = Promise.all([worker('a'), worker('b')])
    for (let kills = 0; kills < 2; kills += 1) {
      const seen = rounds
      await expect.poll(() => rounds).toBeGreaterThan(seen + 4)
      await server.kill()
      await server.restart()
    }
    await working
    for (const name of await stores.tasks.holders()) {
      while ((await stores.tasks.reclaim({ worker: name, deadAfterCrashes: 99, error: ERROR })) > 0);
    }
    settled.push(...(await workAll(stores)))
    expect(new Set(settled).size).toBe(settled.length)
    const rows = await stores.tasks.get(all.map(({ id }) => id))
    expect(rows.filter(({ state }) => state !== 'done')).toEqual([])
    expect(rows).toHaveLength(all.length)
  })

  test('nothing deadlocks, whatever is done at once', LONG, async () => {
    const one = await openDriver({ maxConnections: 12 })
    const other = await openDriver({ schema: one.schema, maxConnections: 12 })
    const stores = [taskStoresOf(one.driver), taskStoresOf(other.driver)]
    const { taskAdmin } = taskStoresOf(one.driver)
    const queues = await taskAdmin.queues()
    expect(queues).toEqual([])
    for (const [name, key] of Object.entries({ q: { order: true }, p: { order: false, concurrency: 2 } })) {
      const limits = { concurrency: undefined, rate: undefined, ...key }
      await taskAdmin.putQueue({
        name,
        expectedVersion: 0,
        settings: { ...DEFAULT_QUEUE_SETTINGS, key: limits },
        note: '',
      })
    }
    const ids: string[] = []
    let rounds = 0
    const random = (most: number): number => Math.floor(Math.random() * most)
    const some = (): string[] => Array.from({ length: 8 }, () => ids[random(ids.length)] ?? '')
    const queueOf = (): string => (random(2) === 0 ? 'q' : 'p')
    const workers = Array.from({ length: 8 }, async (_, at) => {
      const { tasks, taskAdmin: admin } = stores[at % 2] ?? taskStoresOf(one.driver)
      let settles: TaskSettle[] = []
      while (rounds < 500) {
        rounds += 1
        const parent = newTask({ queue: queueOf(), children: 3, failFast: random(2) === 0, key: 'k0' })
        const children = [0, 1, 2].map(() =>
          newTask({ queue: queueOf(), parent: parent.id, key: `k${random(3)}`, failFast: parent.failFast }),
        )
        const dedupe = { key: `d${random(3)}`, mode: 'replace', until: 'end', windowMs: undefined } as const
        const others = [0, 1].map(() => newTask({ queue: queueOf(), key: `k${random(3)}`, dedupe }))
        const wanted = [parent, ...children, ...others]
        const action = random(8)
        if (action < 2) {
          await tasks.enqueue(wanted)
          ids.push(...wanted.map(({ id }) => id))
        } else if (action < 6) {
          const claims = [claimOf(5, 'q'), claimOf(5, 'p')].toSorted(() => random(3) - 1)
          const { claimed } = await tasks.exchange({ worker: `w${at}`, settles, notes: [], claims })
          settles = claimed
            .flatMap(({ tasks: got }) => got)
            .map((task) => ({ ...settleOf(task), as: random(3) === 0 ? 'retry' : random(3) === 0 ? 'dead' : 'done' }))
        } else if (action === 6) {
          await admin.change(some(), { action: random(2) === 0 ? 'cancel' : 'run' })
          await admin.change(some(), { action: 'prioritise', headStartMs: random(1_000) })
        } else {
          await tasks.reclaim({ worker: `w${random(8)}`, deadAfterCrashes: 3, error: ERROR })
          await admin.sweep()
        }
      }
    })
    await Promise.all(workers)
    const [row] = await ask(one.url, 'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()')
    expect(Number(row?.['deadlocks'])).toBe(0)
  })

  test('no hot statement reads a whole table', LONG, async () => {
    const { url } = await testServer()
    const schema = freshSchema()
    const first = await openDriver({ schema })
    const { tasks } = taskStoresOf(first.driver)
    for (let round = 0; round < 50; round += 1) {
      await tasks.enqueue(newTasks(1_000))
      await tasks.enqueue(newTasks(1_000, { delayMs: 3_600_000 }))
    }
    const scans = async (): Promise<Record<string, unknown>> => {
      const rows = await ask(
        url,
        `SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = ANY ($2)`,
        [schema, ['tasks', 'task_ready', 'task_running', 'task_delayed', 'task_ends', 'task_waiting', 'task_keys']],
      )
      return Object.fromEntries(rows.map(({ relname, seq_tup_read: read }) => [String(relname), read]))
    }
    await first.driver.transport.close()
    const before = await scans()
    const second = postgres({ url, schema }).open(loggingRuntime())
    await second.transport.connect()
    const stores = taskStoresOf(second)
    const added = newTasks(200)
    await stores.tasks.enqueue(added)
    await stores.tasks.enqueue(newTasks(20, { key: 'k', tenant: 't', expiresInMs: 60_000 }))
    const { claimed } = await stores.tasks.exchange({ worker: 'w', settles: [], notes: [], claims: [claimOf(500)] })
    const got = claimed[0]?.tasks ?? []
    expect(got).toHaveLength(500)
    const settles = got.map((task, at) => ({
      ...settleOf(task),
      as: at % 5 === 0 ? ('retry' as const) : ('done' as const),
    }))
    await stores.tasks.exchange({ worker: 'w', settles, notes: [], claims: [claimOf(10)] })
    await stores.tasks.get(added.map(({ id }) => id))
    await stores.taskAdmin.change([added[0]?.id ?? ''], { action: 'cancel' })
    await stores.tasks.reclaim({ worker: 'w', deadAfterCrashes: 3, error: ERROR })
    await second.transport.close()
    // What a backend has counted is told when it ends.
    await expect
      .poll(
        async () =>
          (
            await ask(url, `SELECT n_tup_ins FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = 'tasks'`, [
              schema,
            ])
          )[0]?.['n_tup_ins'],
      )
      .toBe('100220')
    expect(await scans()).toEqual(before)
    await ask(url, `DROP SCHEMA ${schema} CASCADE`)
  })

  test.skipIf(!hasPgbouncer)('all of it works behind pgbouncer in transaction mode', LONG, async () => {
    const server = await testServer()
    await using pooler = await startPgbouncer(server)
    const { driver } = await openDriver({ url: pooler.url, schema: freshSchema() })
    const stores = taskStoresOf(driver)
    const all = newTasks(300)
    await Promise.all([stores.tasks.enqueue(all.slice(0, 150)), stores.tasks.enqueue(all.slice(150))])
    const finished = await Promise.all(['a', 'b'].map((worker) => workAll(stores, { worker, limit: 20 })))
    expect(finished.flat().toSorted()).toEqual(all.map(({ id }) => id).toSorted())
    await stores.taskAdmin.sweep()
    expect(await stores.schedules.put({ name: 's', spec: '{}', nextAt: 1, lastAt: undefined }, 0)).toBeDefined()
  })

  test(
    'when notices can be heard again, something may have changed in every queue that is claimed from',
    LONG,
    async () => {
      const { driver, url, schema } = await openDriver()
      const { tasks } = taskStoresOf(driver)
      const heard: string[] = []
      const hints = tasks.listen?.((queues) => heard.push(...queues))
      await expect.poll(() => hints?.arriving).toBe(true)
      await tasks.exchange({ worker: 'w', settles: [], notes: [], claims: [claimOf(1, 'deaf')] })
      expect(heard).toEqual([])
      await ask(
        url,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %millrace_${schema}%'`,
      )
      await expect.poll(() => heard).toEqual(['deaf'])
      hints?.stop()
    },
  )

  test('a role with the rights of a worker does all of it', LONG, async () => {
    const { url, schema } = await openDriver()
    await ask(url, `CREATE ROLE ${schema}_worker LOGIN PASSWORD 'w'`)
    await ask(url, workerRights(schema, `${schema}_worker`))
    const own = new URL(url)
    own.username = `${schema}_worker`
    own.password = 'w'
    const { driver } = await openDriver({ url: own.href, schema, migrate: 'check' })
    const stores = taskStoresOf(driver)
    const task = newTask({ key: 'k', tenant: 't' })
    await stores.tasks.enqueue([task, ...newTasks(3)])
    expect(await workAll(stores)).toHaveLength(4)
    expect(await stores.taskAdmin.change([task.id], { action: 'discard' })).toEqual([task.id])
    await stores.taskAdmin.sweep()
    expect(await stores.taskAdmin.removeQueue('q')).toBe(false)
    expect(await stores.settings.put('a', 'b', 0)).toEqual({ version: 1 })
    await driver.transport.close()
    await ask(url, `DROP OWNED BY ${schema}_worker; DROP ROLE ${schema}_worker`)
  })
})
