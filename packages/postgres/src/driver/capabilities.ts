import type { Capabilities } from '@millrace/core/driver'
import type { ServerFacts } from '../database/probe.ts'
import type { Settings } from '../settings.ts'

/** What this server can do, as it was probed. */
export function capabilitiesOf(settings: Settings, { version, durability }: ServerFacts): Capabilities {
  return {
    engine: 'postgres',
    engineVersion: version,
    durability,
    order: { level: 'native' },
    assignment: { level: 'emulated' },
    fencing: { level: 'native' },
    // The window is as long as the log is held.
    dedupe: { level: 'native', bounds: { scope: 'topic', windowMs: 0, maxIds: 0 } },
    read: { level: 'native' },
    lag: { level: 'native' },
    processes: { level: 'native' },
    size: { level: 'native', bounds: { maxBytes: settings.maxBytes } },
  }
}
