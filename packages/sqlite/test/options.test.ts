import { isMillraceError } from '@millrace/core/driver'
import { expect, test } from 'vitest'
import { sqlite, sqliteFromUrl } from '../src/index.ts'
import { openDriver, scratchFile } from './scratch.ts'
import { systemRuntime } from '../../core/src/runtime/system-runtime.ts'

function errorOf(run: () => unknown): { readonly code: string; readonly message: string } {
  try {
    run()
  } catch (error) {
    if (isMillraceError(error)) return { code: error.code, message: error.message }
  }
  throw new Error('No MillraceError was thrown.')
}

test('a URL names the file and its options', async () => {
  const path = scratchFile()
  const driver = sqliteFromUrl(`sqlite:${path}?synchronous=normal&threads=false`).open(systemRuntime())
  await driver.transport.connect()
  expect(driver.transport.capabilities.durability).toBe('os-cache')
  await driver.transport.close()
})

test.each([
  ['sqlite:./file.db', './file.db'],
  ['sqlite:/var/file.db', '/var/file.db'],
  ['sqlite:///var/file.db', '/var/file.db'],
  ['sqlite:./a%20b.db', './a b.db'],
])('%s is the file %s', (url, path) => {
  expect(sqliteFromUrl(url).name).toBe(`sqlite:${path}`)
})

test.each(['sqlite:', 'sqlite://host/file.db', 'postgres:./file.db', 'sqlite:./%zz.db'])('%s is refused', (url) => {
  expect(errorOf(() => sqliteFromUrl(url)).code).toBe('engine_url_invalid')
})

test('an unknown option is refused with the name that was meant', () => {
  const error = errorOf(() => sqliteFromUrl('sqlite:./file.db?syncronous=normal'))
  expect(error.code).toBe('engine_option_unknown')
  expect(error.message).toContain('Did you mean "synchronous"?')
  const wrong = { path: './file.db', busyTimeout: 5 }
  expect(errorOf(() => sqlite(wrong)).message).toContain('"busyTimeoutMs"')
})

test('what is no path is refused, also where a variable was not set', () => {
  expect(errorOf(() => sqlite(undefined as never)).message).toContain('Is the variable that holds it set?')
  expect(errorOf(() => sqlite('')).code).toBe('config_invalid')
  expect(errorOf(() => sqlite('sqlite:./a.db')).message).toContain('without "sqlite:"')
})

test.each(['sqlite:./a.db?synchronous=off', 'sqlite:./a.db?busyTimeoutMs=soon', 'sqlite:./a.db?threads=1'])(
  '%s has a value that cannot be used',
  (url) => {
    expect(errorOf(() => sqliteFromUrl(url)).code).toBe('engine_url_invalid')
  },
)

test.each([
  { path: '' },
  { path: ':memory:' },
  { path: './a.db', busyTimeoutMs: -1 },
  { path: './a.db', maxBytes: 0.5 },
])('%o is refused before anything is opened', (options) => {
  expect(errorOf(() => sqlite(options)).code).toBe('config_invalid')
})

test('durability is what the file really has', async () => {
  for (const [synchronous, durability] of [
    ['full', 'fsync'],
    ['normal', 'os-cache'],
  ] as const) {
    const driver = openDriver({ path: scratchFile(), synchronous })
    await driver.transport.connect()
    expect(driver.transport.capabilities.durability).toBe(durability)
  }
})
