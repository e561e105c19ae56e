import { defineEvent } from '@millrace/core'
import { memory } from '@millrace/core/memory'
import { sqlite } from '@millrace/sqlite'
import { mkdtempSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { command, serving, until } from './serving.ts'

const OrderPlaced = defineEvent('order.placed', {
  schema: z.object({ orderId: z.string() }),
  key: ({ orderId }) => orderId,
})

test('/v1/outbox shows what waits and what fails, and drops what an operator gives up', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-server-outbox-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'shop.db')
  await using app = await serving({ transport: memory(), store: sqlite(path), onError: () => {} })
  const { millrace, url } = app
  const first = millrace.create(OrderPlaced, { orderId: 'A-1' })
  await millrace.publish(first)
  const db = new DatabaseSync(path, { timeout: 10_000 })
  onTestFinished(() => db.close())
  db.exec('BEGIN IMMEDIATE')
  await millrace.publish({ ...first, data: { orderId: 'other' } }, { tx: db })
  db.exec('COMMIT')
  const look = async (): Promise<{ status: object; failing: { rowId: string; code: string }[] }> =>
    (await command(url, '/v1/outbox', undefined, 'GET')).answer
  await until(async () => (await look()).failing.length === 1)
  const { status, failing } = await look()
  expect(status).toMatchObject({ waiting: 1, failing: 1, exact: true })
  expect(failing[0]).toMatchObject({ id: first.id, topic: 'order', code: 'event_conflict', key: 'A-1' })
  const rowIds = failing.map(({ rowId }) => rowId)
  expect((await command(url, '/v1/outbox/retry', { rowIds })).answer).toEqual({ rowIds })
  expect((await command(url, '/v1/outbox/discard', { rowIds: [...rowIds, '999'] })).answer).toEqual({ rowIds })
  expect(await look()).toMatchObject({ status: { waiting: 0, failing: 0 }, failing: [] })
})

test('/v1/outbox of an engine in which nothing ever waits', async () => {
  await using app = await serving()
  expect((await command(app.url, '/v1/outbox', undefined, 'GET')).answer).toEqual({ status: null, failing: [] })
})
