import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '@millrace/core/testing'
import { available, ensureInstalled } from 'engines'
import { describe, expect, it } from 'vitest'
import { startOn } from '../crash/engines.ts'
import { keepEvidence } from '../crash/evidence.ts'
import { healAndJudge } from '../crash/heal.ts'
import { readHistories } from '../crash/history-file.ts'
import { openPlace, type StartEngine } from '../crash/place.ts'
import { createSupervisor } from '../crash/supervisor.ts'
import { GROUNDS } from './grounds.ts'

/**
 * On a server the clocks of the processes differ, and only the server's own counts. On a file all processes have the clock of one machine:
 * it jumps ahead, and is set back a little.
 */
const grounds: readonly {
  readonly name: string
  readonly offsets: readonly string[]
  /** Whether one of the three processes has the right clock. */
  readonly isOneOff: boolean
  readonly start: StartEngine
}[] = [
  {
    name: 'sqlite',
    offsets: ['+3600', '+86400', '+86397'],
    isOneOff: false,
    start: async (folder) => ({ url: `sqlite:${join(folder, 'events.db')}` }),
  },
  ...GROUNDS.map((ground) => ({
    name: ground.name,
    offsets: ['+3600', '-3600', '+86400', '+0'],
    isOneOff: true,
    start: startOn(ground),
  })),
]

/** Long enough for a busy machine: what runs out here runs out by a clock. */
const LEASE_MS = 30_000

describe.skipIf(!(await available('libfaketime')))('clocks that are wrong and jump', () => {
  it.each(grounds)(
    'change neither order nor leases on $name',
    { timeout: 360_000 },
    async ({ name, offsets, isOneOff, start }) => {
      await using place = await openPlace('clocks', start)
      const { folder, url: engine, histories } = place
      const supervisor = createSupervisor({ engine, histories, leaseMs: LEASE_MS })
      const clock = join(folder, 'clock')
      const set = (offset: string): void => writeFileSync(clock, `${offset}\n`)
      set('+0')
      const env = {
        LD_PRELOAD: await ensureInstalled('libfaketime'),
        FAKETIME_TIMESTAMP_FILE: clock,
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      }
      const handled = (): number =>
        readHistories(histories).filter((entry) => entry.kind === 'handle' && entry.phase === 'end').length
      try {
        supervisor.start({ publishEveryMs: 15, ...(isOneOff ? {} : { env }) })
        for (let more = 0; more < 2; more += 1) supervisor.start({ publishEveryMs: 30, env })
        for (const offset of offsets) {
          const before = handled()
          await waitFor(() => handled() > before + 50, {
            timeoutMs: 180_000,
            everyMs: 100,
            what: 'events to be handled',
          })
          set(offset)
        }
        const report = await healAndJudge({ supervisor, engine, histories })
        keepEvidence(`clocks-${name}`, report)
        expect(report.violations).toEqual([])
        expect(supervisor.fallen).toEqual([])
        expect(report.counts.uncleanClaims, 'a lease ran out by a clock').toBe(0)
      } finally {
        await supervisor.endAll()
      }
    },
  )
})
