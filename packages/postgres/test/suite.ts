import { conformance } from '@millrace/conformance'
import type { Engine } from '@millrace/core/driver'
import { postgres, type PostgresOptions } from '../src/index.ts'
import { callerDatabase } from './caller-database.ts'
import { ask, freshSchema } from './test-server.ts'

const options = new WeakMap<Engine, PostgresOptions>()

function open(given: PostgresOptions): Engine {
  const engine = postgres(given)
  options.set(engine, given)
  return engine
}

const again = (engine: Engine): Engine => open(options.get(engine) ?? {})

/** The whole suite on a server; each engine has a schema of its own. */
export function suite(name: string, serverUrl: () => Promise<string>): void {
  conformance({
    name,
    async makeEngine() {
      const url = await serverUrl()
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
    callers: async (engine) => callerDatabase(await serverUrl(), options.get(engine)?.schema ?? ''),
    async cleanUp(engine) {
      await ask(await serverUrl(), `DROP SCHEMA IF EXISTS ${options.get(engine)?.schema} CASCADE`)
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
}
