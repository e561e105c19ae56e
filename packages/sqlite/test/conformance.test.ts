import { conformance } from '@millrace/conformance'
import type { Engine } from '@millrace/core/driver'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { sqlite } from '../src/index.ts'
import { callerDatabase } from './caller-database.ts'

const CAPABILITIES = {
  durability: 'fsync',
  order: 'native',
  assignment: 'emulated',
  fencing: 'native',
  dedupe: 'native',
  read: 'native',
  lag: 'native',
  processes: 'native',
  size: 'native',
}

const pathOf = (engine: Engine): string => engine.name.slice('sqlite:'.length)

for (const threads of [true, false]) {
  const open = (path: string): Engine => sqlite({ path, threads, retentionEveryMs: 50 })
  conformance({
    name: threads ? 'sqlite with threads' : 'sqlite inline',
    makeEngine: () => open(join(mkdtempSync(join(tmpdir(), 'millrace-conformance-')), 'events.db')),
    restart: (engine) => open(pathOf(engine)),
    secondProcess: (engine) => open(pathOf(engine)),
    callers: (engine) => callerDatabase(pathOf(engine)),
    cleanUp: (engine) => rmSync(dirname(pathOf(engine)), { recursive: true, force: true }),
    capabilities: CAPABILITIES,
  })
}
