import { expect } from 'vitest'
import { crashRun, type CrashRun, type CrashRunOptions } from './crash-run.ts'
import type { CrashReport } from './checker.ts'
import { keepEvidence } from './evidence.ts'
import { createOperator } from './operator.ts'
import { openPlace, type StartEngine } from './place.ts'
import { healAndJudge } from './heal.ts'
import type { PointName } from './points.ts'

/** What is proved on which engine. */
export interface CrashProof {
  /** Of the engine, for people and for the file of the report. */
  readonly name: string
  readonly points: readonly PointName[]
  readonly start: StartEngine
  readonly kills: number
  readonly workers?: number
}

/** How a proof is run and judged. */
export interface Proving<Report> extends Pick<CrashRunOptions<Report>, 'program' | 'everyMs' | 'operator' | 'judge'> {
  /** Names the folder and the file of the report. */
  readonly subject: string
  /** So many kills bring one hit of each named point at the least, up to `LEAST_HITS`. */
  readonly killsPerHit: number
  /** What is printed of a report beside its counts and hits. */
  readonly spreads: (report: Report) => Readonly<Record<string, readonly number[]>>
}

/** What every report of a crash run has. */
export type ProofReport = Pick<CrashReport, 'kills' | 'killsInFlight' | 'violations'> & { readonly counts: object }

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

/** Kills processes that publish and handle events, and expects that nothing was lost and that the run was hard enough. */
export async function proveCrashes(proof: CrashProof): Promise<void> {
  const { counts } = await prove<CrashReport>(proof, {
    subject: 'crash',
    operator: createOperator,
    judge: healAndJudge,
    killsPerHit: 40,
    spreads: ({ takeoverMs }) => ({ takeover: takeoverMs }),
  })
  expect(counts.duplicatesAllowed, 'a run without redeliveries proves nothing').toBeGreaterThan(0)
  expect(counts.requeued, 'a run without dead letters proves nothing').toBeGreaterThan(0)
}

/** Runs a proof, keeps and prints the report, and expects no violation and a run that was hard. */
export async function prove<Report extends ProofReport>(
  { name, points, start, kills: wanted, workers = 8 }: CrashProof,
  { subject, killsPerHit, spreads, ...run }: Proving<Report>,
): Promise<Report & CrashRun> {
  await using place = await openPlace(subject, start)
  const { folder, url, server } = place
  const seed = Number(process.env['MILLRACE_SEED'] ?? 1)
  const serverOf = server === undefined ? {} : { server }
  const report = await crashRun({ ...run, ...serverOf, folder, engine: url, points, kills: wanted, seed, workers })
  keepEvidence(`${subject}-${name}`, { engine: name, seed, ...report })
  const { violations, counts, hits, kills, killsInFlight, serverKills } = report
  const times = Object.entries(spreads(report)).map(([of, each]) => [of, spread(each)])
  const shown = { kills, killsInFlight, serverKills, ...counts, hits, ...Object.fromEntries(times) }
  process.stdout.write(`${subject} proof on ${name}: ${JSON.stringify(shown)}\n`)

  expect(violations).toEqual([])
  expect(report.fallen, 'a process that an outage has ended').toEqual([])
  expect(kills).toBeGreaterThanOrEqual(wanted)
  // Half of them; of few kills, chance alone makes it less.
  expect(killsInFlight).toBeGreaterThanOrEqual(kills / 2 - Math.sqrt(kills))
  for (const [point, count] of Object.entries(hits)) {
    expect(count, `hits of ${point}`).toBeGreaterThanOrEqual(Math.min(LEAST_HITS, Math.floor(wanted / killsPerHit)))
  }
  if (server !== undefined) expect(serverKills).toBeGreaterThan(0)
  return report
}

/** The median and the tail of times. */
export function spread(times: readonly number[]): { readonly median: number; readonly p95: number } {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => Math.round(sorted[Math.floor(sorted.length * share)] ?? 0)
  return { median: at(0.5), p95: at(0.95) }
}
