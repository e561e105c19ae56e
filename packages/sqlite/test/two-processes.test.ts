import { expect, test } from 'vitest'
import { startChild } from './child.ts'
import { connected, record, records, scratchFile } from './scratch.ts'

/** Longer than a test may take: whoever waited was woken by the watch of the file. */
const NEVER_MS = 3_600_000

test('a commit of one process wakes the fetch and the read of another', async () => {
  const path = scratchFile()
  const driver = await connected({ path, pollEveryMs: NEVER_MS })
  const other = startChild('worker.ts', [JSON.stringify({ path, pollEveryMs: NEVER_MS })])
  expect(await other.line()).toBe('ready')

  other.send('watch')
  expect(await other.line()).toBe('watching')
  await driver.transport.publish([record(1)])
  expect(await other.line()).toBe('event-1')

  const waiting = driver.transport.read({
    topic: 'order',
    limit: 10,
    waitMs: NEVER_MS,
    after: [{ partition: 1, position: '0000000000000001' }],
  })
  await driver.transport.list()
  other.send('publish 2')
  expect((await waiting).map(({ id }) => id)).toEqual(['event-2'])
})

test('without the watch the slow look finds it', async () => {
  const path = scratchFile()
  const inline = await connected({ path, threads: false })
  const waiting = inline.transport.read({ topic: 'order', limit: 10, waitMs: 120_000 })
  const other = startChild('worker.ts', [JSON.stringify({ path })])
  expect(await other.line()).toBe('ready')
  other.send('publish 5')
  expect((await waiting).map(({ id }) => id)).toEqual(['event-5'])
})

test('four processes publish into the same partitions: every event is there once, positions have no gaps', async () => {
  const path = scratchFile()
  const driver = await connected(path)
  const others = [1, 2, 3].map(() => startChild('worker.ts', [JSON.stringify({ path })]))
  for (const other of others) expect(await other.line()).toBe('ready')
  const rounds = 10
  const own: Promise<unknown>[] = []
  for (let round = 0; round < rounds; round++) {
    own.push(driver.transport.publish(records(round * 50, round * 50 + 49)))
    for (const [index, other] of others.entries()) {
      const from = (index + 1) * 1_000 + round * 50
      other.send(`publish ${from} ${from + 49}`)
      // Everybody also publishes what the others do: each is stored once.
      other.send(`publish ${round * 50} ${round * 50 + 49}`)
    }
  }
  await Promise.all(own)
  for (const other of others)
    for (let line = 0; line < rounds * 2; line++) expect(await other.line()).not.toContain(':')

  const all = await driver.transport.read({ topic: 'order', limit: 10_000 })
  expect(all).toHaveLength(4 * rounds * 50)
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
  for (const partition of [0, 1, 2, 3]) {
    const positions = all.filter((each) => each.partition === partition).map(({ position }) => Number(position))
    expect(positions).toEqual(positions.map((_, index) => index + 1))
  }
})

test('several processes may create and migrate a new file at once', async () => {
  const path = scratchFile()
  const all = Array.from({ length: 4 }, () => startChild('worker.ts', [JSON.stringify({ path })]))
  for (const each of all) expect(await each.line()).toBe('ready')
  for (const each of all) {
    each.send('close')
    expect(await each.line()).toBe('closed')
    expect(await each.ended).toBe(0)
  }
})
