import { isMillraceError } from '@millrace/core/driver'
import { expect, test } from 'vitest'
import { checkSqliteVersion } from '../src/file/sqlite-version.ts'

function isRefused(version: string, processes: 'many' | 'single'): boolean {
  try {
    checkSqliteVersion(version, processes)
    return false
  } catch (error) {
    if (isMillraceError(error, 'engine_version')) return true
    throw error
  }
}

test.each(['3.51.3', '3.51.4', '3.53.0', '3.53.4', '4.0.0'])('%s is safe for many processes', (version) => {
  expect(isRefused(version, 'many')).toBe(false)
})

test.each(['3.51.2', '3.50.4', '3.46.0', '3.9.9', '3.52.0'])(
  '%s is refused for many processes and allowed for one, if it is not ancient',
  (version) => {
    expect(isRefused(version, 'many')).toBe(true)
    expect(isRefused(version, 'single')).toBe(version === '3.9.9')
  },
)
