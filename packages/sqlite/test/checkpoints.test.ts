import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { atEnd, connected, record, scratchFile } from './scratch.ts'

const PAGES = 100
const LONGEST_BYTES = 10 * PAGES * 4_096

test('the log begins anew although somebody reads at any moment', async () => {
  const path = scratchFile()
  const driver = await connected({ path, checkpointPages: PAGES })
  const readers = [new DatabaseSync(path, { readOnly: true }), new DatabaseSync(path, { readOnly: true })]
  for (const reader of readers) atEnd(() => reader.close())
  let longest = 0
  let isDone = false

  /** One begins before the other ends. */
  async function readAlways(): Promise<void> {
    readers[0]?.exec('BEGIN; SELECT count(*) FROM topics')
    for (let turn = 1; !isDone; turn += 1) {
      readers[turn % 2]?.exec('BEGIN; SELECT count(*) FROM topics')
      readers[(turn + 1) % 2]?.exec('COMMIT')
      longest = Math.max(longest, statSync(`${path}-wal`).size)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  const reading = readAlways()
  const body = 'x'.repeat(20_000)
  for (let n = 0; n < 1_000; n += 1) await driver.transport.publish([record(n, { body: JSON.stringify({ body }) })])
  isDone = true
  await reading
  expect(longest).toBeGreaterThan(PAGES * 4_096)
  expect(longest).toBeLessThan(LONGEST_BYTES)
})
