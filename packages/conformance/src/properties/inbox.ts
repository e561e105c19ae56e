import assert from 'node:assert/strict'
import type { Driver, InboxEntry, InboxStore, InboxWork, SqlStatement } from '@millrace/core/driver'
import type { CallerDatabase } from '../callers.ts'
import type { Context } from '../context.ts'
import { expectError } from '../expect-error.ts'
import type { Property } from '../property.ts'
import { joinGroup, takeOver } from '../worker.ts'

/** What effects that happen once must do. */
export const inboxProperties: readonly Property[] = [
  { id: '46 effects and inbox row come together, once', needs: ['callers'], run: once },
  { id: '46 effects of a handler that fails do not come', needs: ['callers'], run: undone },
  { id: '46 a statement that fails undoes the others', needs: ['callers'], run: failedStatement },
  { id: '46 of two that work on one event at once, one applies', needs: ['callers', 'secondProcess'], run: atOnce },
  { id: '11 who has lost the lease cannot apply effects', needs: ['callers', 'fencing'], run: fenced },
  { id: '46 an applied event is known after a restart', needs: ['callers', 'restart'], run: outlives },
]

const ENTRY: InboxEntry = { group: 'g', source: '/s', id: 'e1', generation: 0, keepMs: 3_600_000, lease: undefined }

async function inboxOf(context: Context): Promise<{ driver: Driver; inbox: InboxStore; database: CallerDatabase }> {
  const driver = await context.open()
  const database = await context.callers()
  const { inbox } = driver.stores
  assert.ok(inbox, 'an engine whose transactions callers share has an inbox')
  return { driver, inbox, database }
}

async function open(inbox: InboxStore, entry: InboxEntry = ENTRY): Promise<InboxWork> {
  const work = await inbox.open(entry)
  assert.ok(typeof work === 'object', 'the event is not applied yet, and the lease is held')
  return work
}

async function apply(inbox: InboxStore, entry: InboxEntry, statements: readonly SqlStatement[]): Promise<string> {
  return (await open(inbox, entry)).commit(statements)
}

async function once(context: Context): Promise<void> {
  const { inbox, database } = await inboxOf(context)
  const work = await open(inbox)
  await work.tx.exec(database.markStatement('1'))
  await work.tx.exec([database.markStatement('2'), database.markStatement('3')])
  assert.deepEqual(await database.marks(), [], 'nothing is seen before the commit')
  assert.equal(await work.commit([database.markStatement('4')]), 'applied')
  assert.deepEqual(await database.marks(), ['1', '2', '3', '4'])
  await work.rollback()
  await expectError('transaction_invalid', () => work.tx.exec(database.markStatement('late')))
  assert.equal(await inbox.open(ENTRY), 'seen')
  const mark = [database.markStatement('other')]
  for (const other of [{ group: 'h' }, { source: '/t' }, { id: 'e2' }, { generation: 7 }]) {
    assert.equal(await apply(inbox, { ...ENTRY, ...other }, mark), 'applied', JSON.stringify(other))
  }
  assert.deepEqual(await database.marks(), ['1', '2', '3', '4', 'other', 'other', 'other', 'other'])
}

async function undone(context: Context): Promise<void> {
  const { inbox, database } = await inboxOf(context)
  const work = await open(inbox)
  await work.tx.exec(database.markStatement('undone'))
  await work.rollback()
  await work.rollback()
  assert.deepEqual(await database.marks(), [])
  assert.equal(await apply(inbox, ENTRY, [database.markStatement('done')]), 'applied')
  assert.deepEqual(await database.marks(), ['done'])
}

async function failedStatement(context: Context): Promise<void> {
  const { inbox, database } = await inboxOf(context)
  const work = await open(inbox)
  await work.tx.exec(database.markStatement('before'))
  await expectError('transaction_failed', () => work.commit([database.wrongStatement]))
  await work.rollback()
  assert.deepEqual(await database.marks(), [])
  assert.equal(await apply(inbox, ENTRY, [database.markStatement('again')]), 'applied')
  assert.deepEqual(await database.marks(), ['again'])
}

async function atOnce(context: Context): Promise<void> {
  const { inbox, database } = await inboxOf(context)
  const other = (await context.openSecond()).stores.inbox
  assert.ok(other)
  const run = async (store: InboxStore): Promise<string> => {
    const work = await store.open(ENTRY)
    return typeof work === 'string' ? work : work.commit([database.markStatement('effect')])
  }
  const outcomes = await Promise.all([run(inbox), run(other)])
  assert.deepEqual(outcomes.toSorted(), ['applied', 'seen'])
  assert.deepEqual(await database.marks(), ['effect'])
}

async function fenced(context: Context): Promise<void> {
  const { driver, inbox, database } = await inboxOf(context)
  await driver.transport.ensureTopic('t', { partitions: 1 })
  await driver.transport.ensureGroup('g', ['t'], 'earliest')
  await joinGroup(driver, 'g', 'a')
  const [former] = await takeOver(driver, 'g', 't', 'a')
  assert.ok(former)
  const entry = { ...ENTRY, lease: { topic: 't', partition: 0, token: former.token } }
  const zombie = await open(inbox, entry)
  await zombie.tx.exec(database.markStatement('zombie'))
  await joinGroup(driver, 'g', 'b')
  const [current] = await takeOver(driver, 'g', 't', 'b')
  assert.ok(current)
  assert.equal(await zombie.commit([]), 'fenced')
  await zombie.rollback()
  assert.deepEqual(await database.marks(), [])
  const lease = { topic: 't', partition: 0, token: current.token }
  assert.equal(await apply(inbox, { ...entry, lease }, [database.markStatement('owner')]), 'applied')
  assert.deepEqual(await database.marks(), ['owner'])
}

async function outlives(context: Context): Promise<void> {
  const { inbox, database } = await inboxOf(context)
  assert.equal(await apply(inbox, ENTRY, [database.markStatement('kept')]), 'applied')
  const restarted = (await context.restart()).stores.inbox
  assert.equal(await restarted?.open(ENTRY), 'seen')
  assert.deepEqual(await database.marks(), ['kept'])
}
