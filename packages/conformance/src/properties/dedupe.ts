import assert from 'node:assert/strict'
import type { Context } from '../context.ts'
import type { Property } from '../property.ts'
import { publishAll, readAll, record } from '../records.ts'

/** What storing once must do. */
export const dedupeProperties: readonly Property[] = [
  { id: '40 the same source and id is stored once', needs: ['dedupe'], run: dedupe },
  { id: '40 the same source and id at once is stored once', needs: ['dedupe'], run: dedupeAtOnce },
  { id: '40 the same source and id is known after a restart', needs: ['dedupe', 'restart'], run: dedupeAfterRestart },
]

async function dedupe({ open }: Context): Promise<void> {
  const driver = await open()
  await driver.transport.ensureTopic('once', { partitions: 2 })
  await driver.transport.ensureTopic('other', { partitions: 2 })
  const first = record({ topic: 'once', partition: 1, key: 'k', data: 'first' })
  const [place] = await publishAll(driver, [first])
  assert.ok(place)
  const known = { outcome: 'duplicate', partition: 1, position: place.position, body: first.body }
  const conflict = { ...first, body: first.body.replace('first', 'other') }
  const stranger = { ...first, source: '/somebody-else' }
  const outcomes = await driver.transport.publish([first, conflict, stranger, { ...stranger }])
  assert.deepEqual(outcomes.slice(0, 2), [known, known], 'the stored body tells a resend from a conflict')
  assert.deepEqual(
    outcomes.slice(2).map(({ outcome }) => outcome),
    ['stored', 'duplicate'],
    'another source may use the id; within one batch once',
  )
  assert.equal((await readAll(driver, 'once')).length, 2)
}

async function dedupeAtOnce({ open }: Context): Promise<void> {
  const driver = await open()
  await driver.transport.ensureTopic('once', { partitions: 1 })
  const same = record({ topic: 'once' })
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, () => driver.transport.publish([record({ topic: 'once' }), same])),
  )
  const kinds = outcomes.map(([, outcome]) => outcome?.outcome)
  assert.equal(kinds.filter((kind) => kind === 'stored').length, 1)
  assert.equal(kinds.filter((kind) => kind === 'duplicate').length, 19)
  const read = await readAll(driver, 'once')
  assert.equal(read.length, 21)
  assert.equal(read.filter(({ id }) => id === same.id).length, 1)
}

async function dedupeAfterRestart({ open, restart }: Context): Promise<void> {
  const driver = await open()
  await driver.transport.ensureTopic('once', { partitions: 1 })
  const first = record({ topic: 'once' })
  const [place] = await publishAll(driver, [first])
  const again = await restart()
  const [outcome] = await again.transport.publish([first])
  assert.deepEqual(outcome, { outcome: 'duplicate', partition: 0, position: place?.position, body: first.body })
  assert.equal((await readAll(again, 'once')).length, 1)
}
