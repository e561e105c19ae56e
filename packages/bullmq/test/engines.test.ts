import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Engine } from '@millrace/core/driver'
import { postgres } from '@millrace/postgres'
import { redis } from '@millrace/redis'
import { sqlite } from '@millrace/sqlite'
import * as bullmq6 from 'bullmq'
import { available, type EngineServer, startPostgres, startRedis } from 'engines'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { importBullmq } from '../src/index.ts'
import { delivering } from './delivering.ts'
import { atEnd, newName, openQueue } from './queues.ts'
import { inputsOf, takeAll, tasksOf } from './tasks-of.ts'

const JOBS = 1_200
const hasPostgres = await available('postgres')

describe.runIf(await available('redis-server'))('moves to', () => {
  let server: EngineServer
  let database: EngineServer | undefined
  beforeAll(async () => {
    server = await startRedis()
    if (hasPostgres) database = await startPostgres()
  })
  afterAll(async () => {
    await server.stop()
    await database?.stop()
  })

  test('SQLite', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-bridge-'))
    atEnd(() => rm(folder, { recursive: true, force: true }))
    await proves(sqlite(join(folder, 'tasks.db')))
  })

  test('the same Redis', () => proves(redis({ url: server.url, prefix: `${newName()}:` })))

  test.runIf(hasPostgres)('PostgreSQL', () => proves(postgres({ url: database?.url ?? '' })))

  /** The answer of the first delivery is lost; its tasks are run and cleared away before the next run. */
  async function proves(engine: Engine): Promise<void> {
    const name = newName()
    const queue = openQueue(bullmq6, server.url, name)
    await queue.addBulk(Array.from({ length: JOBS }, (_, n) => ({ name: 'count', data: n })))
    await queue.add('count', 'late', { delay: 3_600_000, priority: 5, deduplication: { id: 'late' } })
    const losing = delivering(engine, async (fire) => {
      await fire()
      throw new Error('cut off')
    })
    await expect(importBullmq({ redis: server.url, queue: name, engine: losing })).rejects.toThrow('cut off')
    const first = await takeAll(engine)
    expect(first).toHaveLength(500)
    const report = await importBullmq({ redis: server.url, queue: name, engine })
    expect(report).toMatchObject({ resumed: 500, moved: { wait: JOBS, delayed: 1 }, refused: [] })
    const tasks = await tasksOf(engine)
    const all = [...Array.from({ length: JOBS }, (_, n) => n), 'late']
    expect([...first, ...inputsOf(tasks)]).toEqual(all)
    expect(tasks.at(-1)).toMatchObject({ state: 'delayed', dedupeKey: 'late', headStartMs: -1_230_000 })
  }
})
