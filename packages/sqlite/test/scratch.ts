import type { Driver, PublishRecord } from '@millrace/core/driver'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { systemRuntime } from '../../core/src/runtime/system-runtime.ts'
import { type SqliteOptions, sqlite } from '../src/index.ts'
import { record } from './processes/plain-record.ts'

const releases: (() => unknown)[] = []

afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release()
})

/** Runs after the test, newest first. */
export function atEnd(release: () => unknown): void {
  releases.push(release)
}

/** A folder of its own for the test. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-sqlite-'))
  atEnd(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A path in a folder of its own. */
export function scratchFile(): string {
  return join(scratchFolder(), 'events.db')
}

/** A driver that is closed after the test; not connected yet. */
export function openDriver(options: string | SqliteOptions): Driver {
  const driver = sqlite(options).open(systemRuntime())
  atEnd(() => driver.transport.close())
  return driver
}

/** A connected driver with a topic `order` of four partitions. */
export async function connected(options: string | SqliteOptions): Promise<Driver> {
  const driver = openDriver(options)
  await driver.transport.connect()
  await driver.transport.ensureTopic('order', { partitions: 4 })
  return driver
}

export { record }

/** Records by number, from and to inclusive. */
export function records(from: number, to: number): PublishRecord[] {
  return Array.from({ length: to - from + 1 }, (_, index) => record(from + index))
}
