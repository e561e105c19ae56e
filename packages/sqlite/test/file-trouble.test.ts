import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { startChild } from './child.ts'
import { atEnd, connected, openDriver, record, records, scratchFile, scratchFolder } from './scratch.ts'

const NOBODY = 65_534
const isRoot = process.getuid?.() === 0

const connectCode = async (path: string): Promise<string> => {
  try {
    await openDriver({ path, busyTimeoutMs: 200 }).transport.connect()
    return 'connected'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

test('a folder, a missing folder and garbage each have their own clear error', async () => {
  const folder = scratchFolder()
  mkdirSync(join(folder, 'sub'))
  expect(await connectCode(join(folder, 'sub'))).toBe('engine_unreachable')
  expect(await connectCode(join(folder, 'none', 'events.db'))).toBe('engine_unreachable')

  const garbage = join(folder, 'garbage.db')
  writeFileSync(garbage, 'This is not a database. '.repeat(1_000))
  expect(await connectCode(garbage)).toBe('engine_corrupt')
  expect(readFileSync(garbage, 'utf8')).toMatch(/^This is not a database\. /)
})

test('an empty file is a new one; the SQLite file of another application is left as it was', async () => {
  const folder = scratchFolder()
  writeFileSync(join(folder, 'empty.db'), '')
  expect(await connectCode(join(folder, 'empty.db'))).toBe('connected')

  const foreign = join(folder, 'foreign.db')
  const db = new DatabaseSync(foreign)
  db.exec('CREATE TABLE users (name TEXT)')
  db.close()
  const before = readFileSync(foreign)
  expect(await connectCode(foreign)).toBe('engine_corrupt')
  expect(readFileSync(foreign).equals(before)).toBe(true)
})

test('a file of a newer Millrace is refused and left alone', async () => {
  const path = scratchFile()
  await (await connected(path)).transport.close()
  const db = new DatabaseSync(path)
  db.exec('PRAGMA user_version = 999')
  db.close()
  expect(await connectCode(path)).toBe('engine_schema_newer')
})

test('damage to the schema is found when opening, damage to a page by the doctor and by the reader that hits it', async () => {
  const path = scratchFile()
  const driver = await connected(path)
  await driver.transport.publish(
    Array.from({ length: 200 }, (_, n) => record(n, { body: JSON.stringify({ n, pad: 'x'.repeat(2_000) }) })),
  )
  await driver.transport.close()
  const pages = readFileSync(path).length / 4_096
  const file = openSync(path, 'r+')
  for (let page = Math.floor(pages / 2); page < pages; page++)
    writeSync(file, Buffer.alloc(64, 0x5a), 0, 64, page * 4_096)
  closeSync(file)
  const damaged = openDriver(path)
  await damaged.transport.connect()
  const findings = await damaged.diagnose({ verify: true })
  expect(findings.find(({ check }) => check === 'integrity')).toMatchObject({ level: 'problem' })
  await expect(damaged.transport.read({ topic: 'order', limit: 1_000 })).rejects.toMatchObject({
    code: 'engine_corrupt',
  })
  await damaged.transport.close()

  const cut = scratchFile()
  writeFileSync(cut, readFileSync(path).subarray(0, 3 * 4_096 + 100))
  expect(await connectCode(cut)).toBe('engine_corrupt')
})

test('while another process holds the writer lock, publishes are refused in time and work again afterwards', async () => {
  const path = scratchFile()
  const driver = await connected({ path, busyTimeoutMs: 150 })
  const holder = startChild('lock-holder.ts', [path])
  expect(await holder.line()).toBe('locked')
  const [first, second] = await Promise.all([
    driver.transport.publish(records(1, 3)),
    driver.transport.publish(records(4, 6)),
  ])
  for (const outcome of [...first, ...second]) {
    expect(outcome).toMatchObject({ outcome: 'rejected', error: { code: 'engine_busy', retriable: true } })
  }
  await expect(driver.transport.ensureTopic('other')).rejects.toMatchObject({ code: 'engine_busy', retriable: true })
  expect(await driver.transport.read({ topic: 'order', limit: 10 })).toEqual([])
  holder.send('go')
  expect(await holder.line()).toBe('free')
  expect((await driver.transport.publish(records(1, 3))).map(({ outcome }) => outcome)).toEqual(Array(3).fill('stored'))
})

test('a full file refuses with engine_full, keeps what it has, and takes events again when there is room', async () => {
  const path = scratchFile()
  const driver = await connected({ path, maxPages: 120 })
  const big = (n: number): ReturnType<typeof record> => record(n, { body: JSON.stringify({ pad: 'x'.repeat(4_000) }) })
  let stored = 0
  let refusal: unknown
  for (let n = 0; refusal === undefined; n++) {
    const [outcome] = await driver.transport.publish([big(n)])
    if (outcome?.outcome === 'stored') stored += 1
    else refusal = outcome
  }
  expect(refusal).toMatchObject({ outcome: 'rejected', error: { code: 'engine_full', retriable: true } })
  expect(await driver.transport.read({ topic: 'order', limit: 1_000 })).toHaveLength(stored)
  await driver.transport.close()
  const roomy = await connected(path)
  expect(await roomy.transport.publish([big(1_000)])).toMatchObject([{ outcome: 'stored' }])
})

test.skipIf(!isRoot)('a full disk gives a truthful outcome and loses nothing that was stored', async () => {
  const folder = scratchFolder()
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder])
  atEnd(() => execFileSync('umount', ['-l', folder]))
  const driver = await connected(join(folder, 'events.db'))
  const stored: string[] = []
  let refusal: { readonly outcome: string; readonly error?: unknown } | undefined
  for (let n = 0; refusal === undefined; n++) {
    const outcomes = await driver.transport.publish([record(n, { body: JSON.stringify({ pad: 'x'.repeat(8_000) }) })])
    for (const outcome of outcomes) {
      if (outcome.outcome === 'stored') stored.push(`event-${n}`)
      else refusal = outcome
    }
  }
  expect(['rejected', 'unknown']).toContain(refusal.outcome)
  expect(refusal.error).toMatchObject({ code: 'engine_full' })
  const read = (await driver.transport.read({ topic: 'order', limit: 10_000 })).map(({ id }) => id)
  expect(stored.every((id) => read.includes(id))).toBe(true)
})

test.skipIf(!isRoot)('a read-only file and a read-only folder are named as what they are', async () => {
  const folder = scratchFolder()
  const path = join(folder, 'events.db')
  await (await connected(path)).transport.close()
  const asNobody = async (): Promise<string> =>
    startChild('worker.ts', [JSON.stringify({ path })], { env: { TEST_UID: String(NOBODY) } }).line()

  chownSync(folder, NOBODY, NOBODY)
  chmodSync(path, 0o444)
  expect(await asNobody()).toBe('engine_read_only')

  chownSync(path, NOBODY, NOBODY)
  chmodSync(path, 0o644)
  expect(await asNobody()).toBe('ready')

  chownSync(folder, 0, 0)
  chmodSync(folder, 0o555)
  expect(await asNobody()).toBe('engine_read_only')
})
