import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { foreignLibraries, inspectDescriptors } from '../src/file/foreign-library.ts'
import { startChild } from './child.ts'
import { connected, record, scratchFile } from './scratch.ts'

const onLinux = process.platform === 'linux'

test.runIf(onLinux)(
  'the danger is real: a committed row is lost after better-sqlite3 has closed the same file',
  async () => {
    const path = scratchFile()
    const child = startChild('foreign.ts', ['danger', path])
    expect(await child.line()).toBe('committed 1')
    child.send('die')
    expect(await child.ended).toBe('SIGKILL')
    const db = new DatabaseSync(path)
    expect(db.prepare('SELECT count(*) AS n FROM rows').get()).toMatchObject({ n: 0 })
    db.close()
  },
)

test.runIf(onLinux).each(['open', 'closed'])('publishes are refused when it is %s beside us', async (mode) => {
  const child = startChild('foreign.ts', [mode, scratchFile()])
  expect(await child.line()).toMatch(/^\d+ (rejected|unknown):engine_foreign_library$/)
  expect(await child.line()).toBe('rejected:engine_foreign_library')
})

test.runIf(onLinux)('once such a library is known to be loaded, not one publish is answered as stored', async () => {
  const child = startChild('foreign.ts', ['loaded', scratchFile()])
  expect(await child.line()).toBe('0 rejected:engine_foreign_library')
})

test.runIf(onLinux)('connecting is refused when it was there before us', async () => {
  const path = scratchFile()
  await (await connected(path)).transport.close()
  expect(await startChild('foreign.ts', ['before', path]).line()).toBe('engine_foreign_library')
})

test("the user's own node:sqlite handle and a second driver on the file are welcome", async () => {
  const path = scratchFile()
  const driver = await connected(path)
  const second = await connected(path)
  const own = new DatabaseSync(path)
  own.prepare('SELECT count(*) FROM events').get()
  expect(await driver.transport.publish([record(1)])).toMatchObject([{ outcome: 'stored' }])
  own.close()
  await second.transport.close()
  const third = await connected(path)
  expect(await third.transport.publish([record(2)])).toMatchObject([{ outcome: 'stored' }])
})

test('what the descriptors of a process say', () => {
  const path = '/data/events.db'
  const own = [path, `${path}-wal`, `${path}-shm`, path, `${path}-wal`]
  expect(inspectDescriptors(own, path)).toEqual({ libraries: 1, logDeleted: false, removed: false })
  expect(inspectDescriptors([...own, path, `${path}-shm`], path).libraries).toBe(2)
  expect(inspectDescriptors([...own, `${path}-wal (deleted)`], path).logDeleted).toBe(true)
  expect(inspectDescriptors([`${path} (deleted)`], path).removed).toBe(true)
})

test('which mapped files are SQLite libraries', () => {
  const maps = [
    '7f1-7f2 r-xp 00000000 fe:00 1 /app/node_modules/better-sqlite3/prebuilds/linux-x64.node',
    '7f2-7f3 r-xp 00000000 fe:00 1 /app/node_modules/sharp/sharp.node',
    '7f3-7f4 r-xp 00000000 fe:00 2 /usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6',
    '7f5-7f6 r-xp 00000000 fe:00 3 /usr/bin/node',
    '7f7-7f8 r--s 00000000 fe:00 4 /data/sqlite.db-shm',
    '7f9-7fa rw-p 00000000 00:00 0 [heap]',
  ].join('\n')
  expect(foreignLibraries(maps, (addon) => addon.includes('better'))).toEqual([
    '/app/node_modules/better-sqlite3/prebuilds/linux-x64.node',
    '/usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6',
  ])
})
