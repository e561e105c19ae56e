import assert from 'node:assert/strict'
import type { Driver, OutboxRecord, OutboxStore } from '@millrace/core/driver'
import type { CallerDatabase } from '../callers.ts'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import { expectError } from '../expect-error.ts'
import type { Property } from '../property.ts'
import { readAll, record } from '../records.ts'

/** What rows of callers' transactions must do. */
export const outboxProperties: readonly Property[] = [
  { id: '46 rows are there when the transaction commits, and not before', needs: ['callers'], run: rowsAfterCommit },
  { id: '46 rows of a transaction that rolls back never come', needs: ['callers'], run: noRowsAfterRollback },
  { id: '46 what is no open transaction is refused', needs: ['callers'], run: refusals },
  { id: '46 rows outlive a restart until they are settled', needs: ['callers', 'restart'], run: rowsOutlive },
  { id: '46 one process forwards, and a former one cannot settle', needs: ['callers'], run: leases },
  { id: '46 a row that fails waits with its key, visibly, and others go on', needs: ['callers'], run: failures },
  { id: '46 an append inside the transaction comes with its commit', needs: ['callers'], run: appends },
]

/** The outbox of a driver and a caller beside it, closed at the end. */
async function outboxOf(context: Context): Promise<{ driver: Driver; outbox: OutboxStore; database: CallerDatabase }> {
  const driver = await context.open()
  const database = await context.callers()
  const { outbox } = driver.stores
  assert.ok(outbox, 'an engine whose transactions callers share has an outbox')
  return { driver, outbox, database }
}

function row(wish: Parameters<typeof record>[0]): OutboxRecord {
  const { partition: _partition, ...rest } = record(wish)
  return rest
}

async function addAll(outbox: OutboxStore, database: CallerDatabase, records: readonly OutboxRecord[]): Promise<void> {
  const transaction = await database.begin()
  await outbox.add(transaction.tx, records)
  await transaction.commit()
}

async function claim(outbox: OutboxStore, owner: string): Promise<number> {
  const token = await outbox.claim(owner, await outbox.observe())
  assert.ok(token !== undefined, `${owner} takes the lease that nobody else claims`)
  return token
}

const idsOf = (rows: readonly { readonly id: string }[]): string[] => rows.map(({ id }) => id)

async function rowsAfterCommit(context: Context): Promise<void> {
  const { outbox, database } = await outboxOf(context)
  const first = row({ topic: 'tx', key: 'k', correlationId: 'flow', data: 'é' })
  const second = row({ topic: 'tx', source: '/elsewhere' })
  const transaction = await database.begin()
  await transaction.mark('with the rows')
  await outbox.add(transaction.tx, [first, second])
  assert.deepEqual(await outbox.take(10), [], 'nothing is seen of an open transaction')
  await transaction.commit()
  const rows = await outbox.take(10)
  assert.deepEqual(
    rows.map(({ rowId: _rowId, ...rest }) => rest),
    [
      { ...first, attempts: 0 },
      { ...second, attempts: 0 },
    ],
  )
  assert.deepEqual(await database.marks(), ['with the rows'])
  const status = await outbox.status()
  assert.equal(status.waiting, 2)
  assert.equal(status.failing, 0)
  assert.ok(status.exact && status.oldestMs !== undefined)
}

async function noRowsAfterRollback(context: Context): Promise<void> {
  const { outbox, database } = await outboxOf(context)
  const transaction = await database.begin()
  await transaction.mark('never')
  await outbox.add(transaction.tx, [row({ topic: 'tx' })])
  await transaction.rollback()
  const later = row({ topic: 'tx' })
  await addAll(outbox, database, [later])
  assert.deepEqual(idsOf(await outbox.take(10)), [later.id])
  assert.deepEqual(await database.marks(), [])
}

async function refusals(context: Context): Promise<void> {
  const { outbox, database } = await outboxOf(context)
  const records = [row({ topic: 'tx' })]
  await expectError('transaction_invalid', () => outbox.add({}, records))
  const transaction = await database.begin()
  await transaction.commit()
  await expectError('transaction_invalid', () => outbox.add(transaction.tx, records))
  assert.deepEqual(await outbox.take(10), [])
}

async function rowsOutlive(context: Context): Promise<void> {
  const { outbox, database } = await outboxOf(context)
  const records = [row({ topic: 'tx', key: 'a' }), row({ topic: 'tx', key: 'b' })]
  await addAll(outbox, database, records)
  const restarted = (await context.restart()).stores.outbox
  assert.ok(restarted)
  const rows = await restarted.take(10)
  assert.deepEqual(idsOf(rows), idsOf(records))
  const token = await claim(restarted, 'after')
  assert.equal(await restarted.settle({ token, done: [rows[0]?.rowId ?? ''], failed: [] }), 'done')
  assert.deepEqual(idsOf(await restarted.take(10)), [records[1]?.id])
}

async function leases(context: Context): Promise<void> {
  const { outbox, database } = await outboxOf(context)
  await addAll(outbox, database, [row({ topic: 'tx' })])
  const free = await outbox.observe()
  assert.equal(free.owner, undefined)
  const first = await claim(outbox, 'first')
  assert.equal(await outbox.claim('late', free), undefined, 'the lease is no longer what was observed')
  const seen = await outbox.observe()
  assert.equal(seen.owner, 'first')
  assert.equal(await outbox.renew(first), true)
  assert.equal(await outbox.claim('second', seen), undefined, 'the holder has counted up since')
  const second = await claim(outbox, 'second')
  assert.ok(second > first, 'tokens rise')
  assert.equal(await outbox.renew(first), false)
  const [waiting] = await outbox.take(10)
  assert.equal(await outbox.settle({ token: first, done: [waiting?.rowId ?? ''], failed: [] }), 'fenced')
  assert.equal((await outbox.take(10)).length, 1, 'a fenced settle removes nothing')
  await outbox.release(first)
  assert.equal((await outbox.observe()).owner, 'second', 'a former holder gives nothing up')
  await outbox.release(second)
  assert.equal((await outbox.observe()).owner, undefined)
  assert.equal(await outbox.settle({ token: second, done: [waiting?.rowId ?? ''], failed: [] }), 'fenced')
}

async function failures(context: Context): Promise<void> {
  const { outbox, database } = await outboxOf(context)
  const poison = row({ topic: 'tx', key: 'k' })
  const behind = row({ topic: 'tx', key: 'k' })
  const other = row({ topic: 'other', key: 'k' })
  const keyless = row({ topic: 'tx' })
  await addAll(outbox, database, [poison, behind, other, keyless])
  const token = await claim(outbox, 'relay')
  const rowId = (await outbox.take(10))[0]?.rowId ?? ''
  const failure = { rowId, delayMs: 60_000, code: 'topic_full', message: 'no room' }
  assert.equal(await outbox.settle({ token, done: [], failed: [failure] }), 'done')
  assert.deepEqual(idsOf(await outbox.take(10)), [other.id, keyless.id])
  const [failing] = await outbox.failing(10)
  assert.deepEqual(
    { ...failing, dueMs: 0 },
    {
      rowId,
      topic: 'tx',
      id: poison.id,
      type: poison.type,
      key: 'k',
      attempts: 1,
      code: 'topic_full',
      message: 'no room',
      dueMs: 0,
    },
  )
  assert.ok((failing?.dueMs ?? 0) > 1_000)
  assert.equal((await outbox.status()).failing, 1)
  assert.deepEqual(await outbox.resolve([rowId, '999999'], 'retry'), [rowId])
  const again = await outbox.take(10)
  assert.deepEqual(
    idsOf(again),
    [poison.id, other.id, keyless.id],
    'what has failed is tried again without those behind it',
  )
  assert.equal(again[0]?.attempts, 1)
  assert.deepEqual(await outbox.resolve([rowId, again[1]?.rowId ?? ''], 'discard'), [rowId], 'only what has failed')
  assert.deepEqual(idsOf(await outbox.take(10)), [behind.id, other.id, keyless.id])
}

/** Only where a driver appends inside the transaction; nothing to do elsewhere. */
async function appends(context: Context): Promise<void> {
  const { driver, outbox, database } = await outboxOf(context)
  const { append } = outbox
  if (append === undefined) return
  const topicOptions = (): { readonly partitions: number } => ({ partitions: 2 })
  const undone = await database.begin()
  await append(undone.tx, [row({ topic: 'tx' })], { topicOptions })
  await undone.rollback()
  const records = [row({ topic: 'tx', key: 'a' }), row({ topic: 'tx', key: 'b' }), row({ topic: 'tx', key: 'a' })]
  const transaction = await database.begin()
  await append(transaction.tx, records, { topicOptions })
  await transaction.commit()
  const { topics } = await eventually('the topic is there', async () => {
    const list = await driver.transport.list()
    return list.topics.length > 0 && list
  })
  assert.equal(topics[0]?.partitions, 2)
  const stored = await readAll(driver, 'tx')
  assert.deepEqual(idsOf(stored).toSorted(), idsOf(records).toSorted())
  assert.deepEqual(idsOf(stored.filter(({ key }) => key === 'a')), idsOf(records.filter(({ key }) => key === 'a')))
  const conflict = await database.begin()
  await conflict.mark('before')
  const changed = { ...(records[0] as OutboxRecord), body: (records[0]?.body ?? '').replace('"number"', '"nummer"') }
  await expectError('event_conflict', () => append(conflict.tx, [row({ topic: 'tx' }), changed], { topicOptions }))
  await append(conflict.tx, [records[0] as OutboxRecord], { topicOptions })
  await conflict.commit()
  assert.deepEqual(await database.marks(), ['before'], 'a refused append leaves the transaction as it was')
  assert.equal((await readAll(driver, 'tx')).length, records.length)
}
