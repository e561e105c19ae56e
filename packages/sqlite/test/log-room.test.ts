import { copyFileSync, statSync } from 'node:fs'
import { expect, test } from 'vitest'
import { connected, record, scratchFile } from './scratch.ts'

const ROOM_BYTES = 512 * 4_120

test('the log has room for the commits to come, and what was committed is read from behind a crash', async () => {
  const path = scratchFile()
  const { transport } = await connected(path)
  for (let n = 0; n < 10; n += 1) await transport.publish([record(n)])
  const { size } = statSync(`${path}-wal`)
  expect(size).toBeGreaterThan(ROOM_BYTES)
  for (let n = 10; n < 20; n += 1) await transport.publish([record(n)])
  expect(statSync(`${path}-wal`).size, 'written into the room').toBe(size)
  const crashed = scratchFile()
  copyFileSync(path, crashed)
  copyFileSync(`${path}-wal`, `${crashed}-wal`)
  const after = await connected(crashed)
  const ids = (await after.transport.read({ topic: 'order', limit: 100 })).map(({ id }) => id)
  expect(ids.toSorted()).toEqual(Array.from({ length: 20 }, (_, n) => record(n).id).toSorted())
})

test('a process makes no room where another has written in between', async () => {
  const path = scratchFile()
  const one = await connected(path)
  const other = await connected(path)
  // One of them looks and wants room, then the other appends, then the first makes it.
  for (let n = 0; n < 400; n += 2) {
    await one.transport.publish([record(n)])
    await other.transport.publish([record(n + 1)])
  }
  const crashed = scratchFile()
  copyFileSync(path, crashed)
  copyFileSync(`${path}-wal`, `${crashed}-wal`)
  const after = await connected(crashed)
  expect(await after.transport.read({ topic: 'order', limit: 1_000 })).toHaveLength(400)
})
