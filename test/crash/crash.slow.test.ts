import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { crashRun } from './crash-run.ts'

const KILLS = Number(process.env['MILLRACE_KILLS'] ?? 300)
const SEED = Number(process.env['MILLRACE_SEED'] ?? 1)
/** What a kill takes on a slow machine, restart included. */
const MS_PER_KILL = 3_000
const LEAST_HITS = 3

describe('processes that are killed on one SQLite file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-crash-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it(
    `lose, reorder and overwrite nothing in ${KILLS} kills`,
    async () => {
      const { violations, ...shown } = await crashRun({ folder, kills: KILLS, seed: SEED })
      const { counts, hits, kills, killsInFlight, takeoverMs } = shown
      const evidence = process.env['MILLRACE_EVIDENCE']
      if (evidence !== undefined) writeFileSync(evidence, JSON.stringify({ ...shown, violations }, undefined, 2))
      process.stdout.write(
        `crash proof: ${JSON.stringify({ kills, killsInFlight, ...counts, hits, takeover: spread(takeoverMs) })}\n`,
      )

      expect(violations).toEqual([])
      expect(kills).toBeGreaterThanOrEqual(KILLS)
      expect(killsInFlight).toBeGreaterThanOrEqual(kills / 2)
      for (const [point, count] of Object.entries(hits)) {
        expect(count, `hits of ${point}`).toBeGreaterThanOrEqual(Math.min(LEAST_HITS, Math.floor(KILLS / 40)))
      }
      expect(counts.duplicatesAllowed, 'a run without redeliveries proves nothing').toBeGreaterThan(0)
    },
    120_000 + KILLS * MS_PER_KILL,
  )
})

function spread(times: readonly number[]): { readonly median: number; readonly p95: number } {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => Math.round(sorted[Math.floor(sorted.length * share)] ?? 0)
  return { median: at(0.5), p95: at(0.95) }
}
