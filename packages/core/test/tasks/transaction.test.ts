import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, expect, it } from 'vitest'
import { z } from 'zod'
import { sqlite } from '../../../sqlite/src/index.ts'
import { createMillrace, defineEvent, defineTask, type Millrace } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'
import { waitForTask } from '../../src/testing.ts'

const Bill = defineTask('bill', { input: z.object({ order: z.string() }) })
const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

async function openFile(): Promise<{ readonly millrace: Millrace; readonly database: DatabaseSync }> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-tasks-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  const millrace = createMillrace({ engine: sqlite(join(folder, 'shop.db')) })
  ends.push(() => millrace.close())
  await millrace.start()
  const database = new DatabaseSync(join(folder, 'shop.db'))
  ends.push(() => database.close())
  return { millrace, database }
}

it('a task of a transaction is there when that commits', async () => {
  const { millrace, database } = await openFile()
  await millrace.work(Bill, ({ order }) => `billed ${order}`)
  database.exec('BEGIN IMMEDIATE')
  const handle = await millrace.enqueue(Bill, { order: 'A-1' }, { tx: database })
  const result = handle.result({ timeout: 30_000 })
  database.exec('COMMIT')
  expect(await result).toBe('billed A-1')
  expect((await waitForTask(millrace, handle.id, 'done')).input).toEqual({ order: 'A-1' })
})

it('and never when it rolls back', async () => {
  const { millrace, database } = await openFile()
  database.exec('BEGIN IMMEDIATE')
  const handle = await millrace.enqueue(Bill, { order: 'A-1' }, { tx: database })
  database.exec('ROLLBACK')
  await expect(millrace.tasks.get(handle.id)).rejects.toMatchObject({ code: 'task_unknown' })
  await expect(handle.result({ timeout: 200 })).rejects.toMatchObject({ code: 'wait_timeout' })
})

it('an engine without transactions says so', async () => {
  await using millrace = createMillrace({ engine: memory() })
  await expect(millrace.enqueue(Bill, { order: 'A-1' }, { tx: {} })).rejects.toMatchObject({
    code: 'capability_missing',
    path: 'tx',
  })
})

const Bounded = defineTask('bounded', { input: z.number(), maxWaiting: 1 })

it('tells of a taken id and of a full queue within the transaction, which can go on', async () => {
  const { millrace, database } = await openFile()
  await millrace.enqueue(Bill, { order: 'A-1' }, { id: 'a' })
  await millrace.enqueue(Bounded, 1, { id: 'b' })
  database.exec('BEGIN IMMEDIATE')
  const tx = database
  const other = millrace.enqueue(Bill, { order: 'A-2' }, { id: 'a', tx })
  await expect(other).rejects.toMatchObject({ code: 'task_conflict' })
  await expect(millrace.enqueue(Bounded, 2, { tx })).rejects.toMatchObject({ code: 'queue_full' })
  await millrace.enqueue(Bounded, 1, { id: 'b', tx })
  await millrace.enqueue(Bill, { order: 'A-1' }, { id: 'a', tx })
  await millrace.enqueue(Bill, { order: 'A-3' }, { id: 'c', tx })
  database.exec('COMMIT')
  expect((await millrace.tasks.list()).map(({ id }) => id).toSorted()).toEqual(['a', 'b', 'c'])
})

it('tells a handler with an inbox of a taken id and of a full queue, and adds nothing of these', async () => {
  const { millrace } = await openFile()
  await millrace.enqueue(Bill, { order: 'A-1' }, { id: 'a' })
  await millrace.enqueue(Bounded, 1)
  const Asked = defineEvent('shop.asked', { version: 1, schema: z.object({}) })
  const codes: unknown[] = []
  const handled = Promise.withResolvers<void>()
  await millrace.subscribe(
    Asked,
    async (_event, { tx }) => {
      if (tx === undefined) throw new Error('there is an inbox')
      const codeOf = (adding: Promise<unknown>): Promise<unknown> =>
        adding.then(
          () => 'added',
          (error: unknown) => (error as { readonly code?: unknown }).code,
        )
      codes.push(await codeOf(millrace.enqueue(Bill, { order: 'A-2' }, { id: 'a', tx })))
      codes.push(await codeOf(millrace.enqueue(Bounded, 2, { tx })))
      codes.push(await codeOf(millrace.enqueue(Bill, { order: 'A-3' }, { id: 'c', tx })))
      handled.resolve()
    },
    { group: 'g', inbox: true },
  )
  await millrace.publish(Asked, {})
  await handled.promise
  await waitForTask(millrace, 'c', 'ready')
  expect(codes).toEqual(['task_conflict', 'queue_full', 'added'])
  expect(await millrace.tasks.list()).toHaveLength(3)
})
