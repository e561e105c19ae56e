import { conformance } from '@millrace/conformance'
import type { Engine } from '@millrace/core/driver'
import { redis, type RedisOptions } from '../src/index.ts'

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

let made = 0

/** The whole suite; each engine has a prefix of its own on the one server. */
export function suite(name: string, place: () => RedisOptions): void {
  const prefixes = new WeakMap<Engine, string>()
  const open = (prefix: string): Engine => {
    const engine = redis({ ...place(), prefix, retentionEveryMs: 50 })
    prefixes.set(engine, prefix)
    return engine
  }
  const again = (engine: Engine): Engine => open(prefixes.get(engine) ?? '')
  conformance({
    name,
    makeEngine: () => open(`suite-${process.pid}-${(made += 1)}:`),
    restart: again,
    secondProcess: again,
    capabilities: CAPABILITIES,
  })
}
