import type { Driver } from '@millrace/core/driver'
import { chmodSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { connected, record, scratchFile } from './scratch.ts'

async function levels(driver: Driver, verify = false): Promise<Record<string, string>> {
  const findings = await driver.diagnose({ verify })
  for (const { text } of findings) expect(text.length).toBeGreaterThan(5)
  return Object.fromEntries(findings.map(({ check, level }) => [check, level]))
}

test('a sound file is fine in all respects; only verifying reads every page', async () => {
  const path = scratchFile()
  const driver = await connected(path)
  await driver.transport.publish([record(1)])
  chmodSync(path, 0o600)
  const found = await levels(driver)
  expect(found).not.toHaveProperty('integrity')
  expect(await levels(driver, true)).toEqual({ ...found, integrity: 'fine', tasks: 'fine' })
  expect(Object.keys(found)).toEqual([
    'version',
    'journal',
    'durability',
    'schema',
    'file',
    'log',
    'rights',
    'disk',
    'orphans',
    'leases',
  ])
  expect(found).toMatchObject({ version: 'fine', journal: 'fine', durability: 'fine', rights: 'fine', orphans: 'fine' })
})

test('weak durability, an open file, orphans and leases of the dead are named', async () => {
  const path = scratchFile()
  const driver = await connected({ path, synchronous: 'normal' })
  await driver.transport.ensureGroup('g', ['order'], 'earliest')
  const [first] = (await driver.stores.leases.observe('g')).partitions
  await driver.stores.leases.claim({
    group: 'g',
    topic: 'order',
    partition: 0,
    member: 'never-joined',
    expectedOwner: undefined,
    expectedToken: first?.token ?? -1,
  })
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false })
  db.exec(`INSERT INTO lane (group_id, partition_id, seq, generation, order_key, due, attempts, reason, event_id, type,
    recorded, body) VALUES (999, 999, 1, 0, 'k', 0, 0, 'retry', 'x', 't', 0, '{}')`)
  db.close()
  chmodSync(path, 0o644)
  expect(await levels(driver)).toMatchObject({
    durability: 'notice',
    rights: 'notice',
    orphans: 'problem',
    leases: 'notice',
  })
})
