import type { Capabilities } from '@millrace/core/driver'
import type { Settings } from '../settings.ts'

/** What this file can do; the writer has read back the pragma that the durability rests on. */
export function capabilitiesOf(settings: Settings, engineVersion: string): Capabilities {
  return {
    engine: 'sqlite',
    engineVersion,
    durability: settings.synchronous === 'full' ? 'fsync' : 'os-cache',
    order: { level: 'native' },
    assignment: { level: 'emulated' },
    fencing: { level: 'native' },
    dedupe: { level: 'native', bounds: { scope: 'engine', windowMs: 0, maxIds: 0 } },
    read: { level: 'native' },
    lag: { level: 'native' },
    processes: settings.processes === 'many' ? { level: 'native' } : { level: 'none' },
    size: { level: 'native', bounds: { maxBytes: settings.maxBytes } },
    // What waits for the writer goes into one transaction, however many batches it is.
    smallBatches: true,
  }
}
