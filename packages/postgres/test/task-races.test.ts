import { settleOf, taskStoresOf } from '@millrace/core/testing'
import { Client } from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { openDriver } from './driver.ts'
import { claimOf, newTask } from './new-tasks.ts'
import { ask, hasPostgres, testServer } from './test-server.ts'

const LONG = { timeout: 360_000 }
const SWEEPS = 60

describe.skipIf(!hasPostgres)('tasks that meet others on their way', () => {
  afterAll(async () => (await testServer()).stop())

  test('a sweep forgets no worker that claims its first task at this moment', LONG, async () => {
    const { driver, url, schema } = await openDriver()
    const { tasks, taskAdmin } = taskStoresOf(driver)
    let isOver = false
    const sweeping = (async () => {
      for (let sweeps = 0; sweeps < SWEEPS; sweeps += 1) {
        // Idle workers to look at: the longer a sweep looks, the more comes in between.
        await ask(
          url,
          `INSERT INTO ${schema}.task_workers (name) SELECT 'gone ' || gen_random_uuid() FROM generate_series(1, 1900)`,
        )
        await taskAdmin.sweep()
      }
      isOver = true
    })()
    const fenced: string[] = []
    while (!isOver) {
      await tasks.enqueue([newTask()])
      const { claimed } = await tasks.exchange({ worker: 'w', settles: [], notes: [], claims: [claimOf(1)] })
      const held = claimed[0]?.tasks ?? []
      const { settled } = await tasks.exchange({
        worker: 'w',
        settles: held.map((task) => settleOf(task)),
        notes: [],
        claims: [],
      })
      for (const [at, { id }] of held.entries()) if (settled[at] === 'fenced') fenced.push(id)
    }
    await sweeping
    expect(fenced).toEqual([])
    expect(await ask(url, `SELECT n FROM ${schema}.task_running`)).toEqual([])
  })

  test('a cancel finds a task that is given back at this moment', LONG, async () => {
    const { driver, url, schema } = await openDriver()
    const { tasks, taskAdmin } = taskStoresOf(driver)
    const task = newTask()
    await tasks.enqueue([task])
    await tasks.exchange({ worker: 'w', settles: [], notes: [], claims: [claimOf(1)] })
    const [row] = await ask(url, `SELECT n FROM ${schema}.tasks`)
    const client = new Client({ connectionString: url })
    await client.connect()
    await client.query('BEGIN')
    const release = `ARRAY[$1]::bigint[], ARRAY[1], ARRAY[6]::smallint[], ARRAY[0]::bigint[]`
    await client.query(`SELECT * FROM ${schema}.exchange_1('w', ${release}, NULL, NULL, NULL, NULL, NULL)`, [
      row?.['n'],
    ])
    const changing = taskAdmin.change([task.id], { action: 'cancel' })
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%change_tasks_1%'"
    await expect.poll(() => ask(url, waiting)).toHaveLength(1)
    await client.query('COMMIT')
    await client.end()
    expect(await changing).toEqual([task.id])
    expect(await tasks.get([task.id])).toMatchObject([{ state: 'cancelled' }])
  })

  test('a task that retention removes at this moment is not run again', LONG, async () => {
    const { driver, url, schema } = await openDriver()
    const { tasks, taskAdmin } = taskStoresOf(driver)
    const [task, other] = [newTask(), newTask()]
    await tasks.enqueue([task, other])
    const { claimed } = await tasks.exchange({ worker: 'w', settles: [], notes: [], claims: [claimOf(2)] })
    const settles = (claimed[0]?.tasks ?? []).map((each) => settleOf(each, { as: 'dead' }))
    await tasks.exchange({ worker: 'w', settles, notes: [], claims: [] })
    const [row] = await ask(url, `SELECT n FROM ${schema}.tasks ORDER BY n LIMIT 1`)
    const client = new Client({ connectionString: url })
    await client.connect()
    await client.query('BEGIN')
    await client.query(`SELECT ${schema}.task_forget_1(ARRAY[$1]::bigint[])`, [row?.['n']])
    const changing = taskAdmin.change([task.id, other.id], { action: 'run' })
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%change_tasks_1%'"
    await expect.poll(() => ask(url, waiting)).toHaveLength(1)
    await client.query('COMMIT')
    await client.end()
    expect(await changing).toEqual([other.id])
    expect(await tasks.get([task.id, other.id])).toMatchObject([{ id: other.id, state: 'ready' }])
  })
})
