import { DEFAULT_QUEUE_SETTINGS, type QueueSettings } from '@millrace/core/driver'
import type { SettingsWish } from '../task-bench.ts'

/** So slow that no token comes back while the scenario runs. */
const SLOW_MS = 2_000 * 3_600_000

/** Turns of tenants; head starts differ by other steps, so that the milliseconds that pass decide nothing. */
export const FAIR_MS = 60_000

/** Between head starts; no multiple of a turn, by half of one. */
export const HEAD_STEP_MS: number = 10_000 * FAIR_MS + FAIR_MS / 2

/** What never comes by itself while the scenario runs. */
export const NEVER_MS: number = 1_000_000 * FAIR_MS

/** The queues of the scenario: each rule by itself, then all of them at once. */
export const SCENARIO_QUEUES: Readonly<Record<string, SettingsWish>> = {
  plain: { concurrency: 7 },
  ordered: { key: { order: true } },
  keyed: { key: { concurrency: 2 } },
  'rated key': { key: { concurrency: 2, rate: { limit: 5, perMs: SLOW_MS } } },
  'rated order': { key: { order: true, rate: { limit: 8, perMs: SLOW_MS } } },
  rated: { rate: { limit: 25, perMs: SLOW_MS } },
  fair: { fairMs: FAIR_MS },
  all: {
    concurrency: 5,
    rate: { limit: 60, perMs: SLOW_MS },
    key: { concurrency: 2, rate: { limit: 12, perMs: SLOW_MS } },
    fairMs: FAIR_MS,
  },
  'all in order': {
    concurrency: 6,
    rate: { limit: 60, perMs: SLOW_MS },
    key: { order: true, rate: { limit: 20, perMs: SLOW_MS } },
    fairMs: FAIR_MS,
  },
}

export function settingsOf({ key, ...wish }: SettingsWish): QueueSettings {
  return { ...DEFAULT_QUEUE_SETTINGS, ...wish, key: { ...DEFAULT_QUEUE_SETTINGS.key, ...key } }
}
