import { conformance } from '@millrace/conformance'
import type { Engine } from '@millrace/core/driver'
import { type EngineServer, startRedis } from 'engines'
import { afterAll, beforeAll } from 'vitest'
import { redis } from '../src/index.ts'

const CAPABILITIES = {
  durability: 'os-cache',
  order: 'native',
  assignment: 'emulated',
  fencing: 'emulated',
  dedupe: 'emulated',
  read: 'native',
  lag: 'native',
  processes: 'native',
  size: 'native',
}

let server: EngineServer
let made = 0

beforeAll(async () => {
  server = await startRedis()
})

afterAll(async () => {
  await server.stop()
})

const prefixes = new WeakMap<Engine, string>()

function open(prefix: string): Engine {
  const engine = redis({ url: server.url, prefix, retentionEveryMs: 50 })
  prefixes.set(engine, prefix)
  return engine
}

const again = (engine: Engine): Engine => open(prefixes.get(engine) ?? '')

conformance({
  name: 'redis',
  makeEngine: () => open(`t${process.pid}-${(made += 1)}:`),
  restart: again,
  secondProcess: again,
  capabilities: CAPABILITIES,
})
