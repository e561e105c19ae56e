import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { sqlite } from '../../../sqlite/src/index.ts'
import type { Driver, Engine } from '../../src/driver.ts'
import { createMillrace, systemRuntime, type Millrace, type MillraceOptions } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

/** A path in a folder of its own, which is gone after the test. */
export function scratchFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bad-input-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'events.db')
}

/** The engines that every promise is tried on. */
export const engines: readonly (readonly [name: string, make: () => Engine])[] = [
  ['memory', () => memory()],
  ['sqlite', () => sqlite(scratchFile())],
]

/** A backbone that is closed after the test. */
export function start(options: Partial<MillraceOptions> = {}): Millrace {
  const millrace = createMillrace({ engine: memory(), name: 'shop', onError: () => {}, ...options })
  ends.push(() => millrace.close({ timeoutMs: 1_000 }))
  return millrace
}

/** A connected driver of the engine, beside its backbones. */
export async function driverOf(engine: Engine): Promise<Driver> {
  const driver = engine.open(systemRuntime())
  ends.push(() => driver.transport.close())
  await driver.transport.connect()
  return driver
}

/** A runtime whose log is kept as text. */
export function listening(): { readonly runtime: NonNullable<MillraceOptions['runtime']>; readonly lines: string[] } {
  const lines: string[] = []
  const note = (message: string, fields?: object): void => void lines.push(`${message} ${JSON.stringify(fields ?? {})}`)
  return { lines, runtime: systemRuntime({ log: { debug: note, info: note, warn: note, error: note } }) }
}
