import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EngineServer } from 'engines'
import { expect } from 'vitest'
import { crashRun } from './crash-run.ts'
import { keepEvidence } from './evidence.ts'
import type { PointName } from './points.ts'

/** What is proved on which engine. */
export interface CrashProof {
  /** Of the engine, for people and for the file of the report. */
  readonly name: string
  readonly points: readonly PointName[]
  /** Gives the URL of the engine, in a folder of its own. */
  readonly start: (folder: string) => Promise<{ readonly url: string; readonly server?: EngineServer }>
  readonly kills: number
  readonly workers?: number
}

/** What a kill takes on a slow machine, restart included. */
const MS_PER_KILL = 3_000
const LEAST_HITS = 3

/** How many kills there are: `MILLRACE_KILLS`, 3,000 in a soak, else what the short tier can afford. */
export function killsOf(short: number): number {
  const given = process.env['MILLRACE_KILLS']
  if (given !== undefined) return Number(given)
  return process.env['MILLRACE_SOAK'] === '1' ? 3_000 : short
}

/** Milliseconds that a test of so many kills may take. */
export function timeoutOf(kills: number): number {
  return 120_000 + kills * MS_PER_KILL
}

/** Runs it, keeps the report, and expects that nothing was lost and that the run was hard enough. */
export async function proveCrashes({ name, points, start, kills: wanted, workers = 8 }: CrashProof): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-crash-'))
  const seed = Number(process.env['MILLRACE_SEED'] ?? 1)
  const { url, server } = await start(folder)
  try {
    const report = await crashRun({
      folder,
      engine: url,
      points,
      kills: wanted,
      seed,
      workers,
      ...(server === undefined ? {} : { server }),
    })
    keepEvidence(`crash-${name}`, { engine: name, seed, ...report })
    const { violations, counts, hits, kills, killsInFlight, serverKills, takeoverMs } = report
    const shown = { kills, killsInFlight, serverKills, ...counts, hits, takeover: spread(takeoverMs) }
    process.stdout.write(`crash proof of ${name}: ${JSON.stringify(shown)}\n`)

    expect(violations).toEqual([])
    expect(report.fallen, 'a process that an outage has ended').toEqual([])
    expect(kills).toBeGreaterThanOrEqual(wanted)
    expect(killsInFlight).toBeGreaterThanOrEqual(kills / 2)
    for (const [point, count] of Object.entries(hits)) {
      expect(count, `hits of ${point}`).toBeGreaterThanOrEqual(Math.min(LEAST_HITS, Math.floor(wanted / 40)))
    }
    expect(counts.duplicatesAllowed, 'a run without redeliveries proves nothing').toBeGreaterThan(0)
    if (server !== undefined) expect(serverKills).toBeGreaterThan(0)
  } finally {
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function spread(times: readonly number[]): { readonly median: number; readonly p95: number } {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => Math.round(sorted[Math.floor(sorted.length * share)] ?? 0)
  return { median: at(0.5), p95: at(0.95) }
}
