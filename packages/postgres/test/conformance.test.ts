import { conformance } from '@millrace/conformance'
import type { Engine } from '@millrace/core/driver'
import { afterAll, describe } from 'vitest'
import { postgres, type PostgresOptions } from '../src/index.ts'
import { callerDatabase } from './caller-database.ts'
import { ask, freshSchema, hasPostgres, testServer } from './test-server.ts'

const options = new WeakMap<Engine, PostgresOptions>()

function open(given: PostgresOptions): Engine {
  const engine = postgres(given)
  options.set(engine, given)
  return engine
}

const again = (engine: Engine): Engine => open(options.get(engine) ?? {})

describe.skipIf(!hasPostgres)('PostgreSQL', () => {
  afterAll(async () => (await testServer()).stop())
  conformance({
    name: 'postgres',
    async makeEngine() {
      const { url } = await testServer()
      return open({
        url,
        schema: freshSchema(),
        retentionEveryMs: 50,
        segmentEvents: 50,
        segmentAgeMs: 500,
        maxConnections: 6,
      })
    },
    restart: again,
    secondProcess: again,
    callers: async (engine) => callerDatabase((await testServer()).url, options.get(engine)?.schema ?? ''),
    async cleanUp(engine) {
      await ask((await testServer()).url, `DROP SCHEMA IF EXISTS ${options.get(engine)?.schema} CASCADE`)
    },
    capabilities: {
      durability: 'fsync',
      order: 'native',
      assignment: 'emulated',
      fencing: 'native',
      dedupe: 'native',
      read: 'native',
      lag: 'native',
      processes: 'native',
      size: 'native',
    },
  })
})
