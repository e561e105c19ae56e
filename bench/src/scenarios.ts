import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runContender } from './contender-process.ts'
import { median, type Line } from './report.ts'
import { versus, type Peer, type Versus } from './versus.ts'
import type { Measured } from './work.ts'

/** What a run of the benchmark is given. */
export interface BenchOptions {
  readonly runs: number
  /** Multiplies the numbers of events: below 1 for a quick look. */
  readonly scale: number
  readonly peers: readonly Peer[]
}

/** The scenarios by name, in the order of `all`. */
export const scenarios: Readonly<Record<string, (options: BenchOptions) => Promise<readonly Line[]>>> = {
  publish: (options) =>
    versus(
      compared(options, {
        scenario: 'publish',
        work: { what: 'publish', count: 200_000, inFlight: 1_000 },
        note: '1,000 single publishes in flight',
      }),
    ),
  consume: (options) =>
    versus(
      compared(options, {
        scenario: 'consume',
        work: { what: 'consume', count: 100_000, inFlight: 0 },
        fill: 100_000,
        note: 'a backlog of 100 k, product defaults',
      }),
    ),
  roundtrip: (options) =>
    versus(
      compared(options, {
        scenario: 'roundtrip',
        work: { what: 'roundtrip', count: 100_000, inFlight: 1_000 },
        note: 'publish and handle at once',
      }),
    ),
  latency: (options) =>
    versus({
      ...compared(options, {
        scenario: 'latency',
        work: { what: 'latency', count: 500, inFlight: 1 },
        note: 'publish to handler, idle, one process',
      }),
      unit: 'ms p50',
      better: 'lower',
    }),
  memory: (options) => compareFill('memory', options, { small: 10_000, large: 1_000_000, unit: 'MiB more' }),
  growth: (options) => growth(options),
  ingest: (options) =>
    versus({
      ...compared(
        { ...options, peers: [] },
        {
          scenario: 'ingest',
          work: { what: 'ingest', count: 100_000, inFlight: 16 },
          note: 'HTTP, batches of 10; p99 is event to an SSE client, ms',
        },
      ),
      ours: 'millrace-ingest',
      limit: undefined,
    }),
}

function compared(
  { runs, scale, peers }: BenchOptions,
  scenario: Pick<Versus, 'scenario' | 'work' | 'fill' | 'note'>,
): Versus {
  const { work, fill } = scenario
  return {
    ...scenario,
    work: { ...work, count: Math.ceil(work.count * scale) },
    ...(fill === undefined ? {} : { fill: Math.ceil(fill * scale) }),
    unit: 'events/s',
    better: 'higher',
    ours: 'millrace-sqlite',
    limit: 'bare-sqlite',
    peers,
    runs,
  }
}

/** How much more memory a worker takes at its peak over a large backlog than over a small one. */
async function compareFill(
  scenario: string,
  { runs, scale }: BenchOptions,
  { small, large, unit }: { readonly small: number; readonly large: number; readonly unit: string },
): Promise<readonly Line[]> {
  const differences: number[] = []
  const peaks: number[] = []
  let last: Partial<Measured> = {}
  for (let round = 0; round < Math.min(runs, 3); round += 1) {
    const over = await peakOver(Math.ceil(small * scale))
    last = await peakOver(Math.ceil(large * scale))
    differences.push((last.value ?? 0) - (over.value ?? 0))
    peaks.push(last.value ?? 0)
  }
  return [
    line(scenario, last, {
      unit,
      ours: median(differences),
      runs: differences.length,
      note: `a backlog of ${count(large * scale)} against ${count(small * scale)}; peak RSS ${Math.round(median(peaks))} MiB`,
    }),
  ]
}

async function peakOver(backlog: number): Promise<Partial<Measured>> {
  return inFolder(async (folder) => {
    await runContender('millrace-sqlite', { what: 'fill', count: backlog, inFlight: 4, folder })
    return runContender('millrace-sqlite', { what: 'drain', count: backlog, inFlight: 0, folder })
  })
}

/** The rates with 4 M events in the file as a share of those with 100 k. */
async function growth({ scale }: BenchOptions): Promise<readonly Line[]> {
  const small = Math.ceil(100_000 * scale)
  const large = Math.ceil(4_000_000 * scale)
  return inFolder(async (folder) => {
    const fill = (amount: number): Promise<unknown> =>
      runContender('millrace-sqlite', { what: 'fill', count: amount, inFlight: 4, folder })
    const publish = (): Promise<number> =>
      medianOf(3, () => runContender('millrace-sqlite', { what: 'publish', count: small, inFlight: 1_000, folder }))
    const consume = (): Promise<number> =>
      medianOf(3, () => runContender('millrace-sqlite', { what: 'consume', count: small, inFlight: 0, folder }))
    await fill(small)
    const [consumedSmall, publishedSmall] = [await consume(), await publish()]
    await fill(large)
    const [consumedLarge, publishedLarge] = [await consume(), await publish()]
    const engine = await runContender('millrace-sqlite', { what: 'latency', count: 20, inFlight: 1, folder })
    const note = (one: number, other: number): string =>
      `${count(large)} events in the file against ${count(small)}: ${Math.round(other)}/s against ${Math.round(one)}/s`
    return [
      line('growth-publish', engine, {
        unit: 'of the rate',
        ours: publishedLarge / publishedSmall,
        runs: 3,
        note: note(publishedSmall, publishedLarge),
      }),
      line('growth-consume', engine, {
        unit: 'of the rate',
        ours: consumedLarge / consumedSmall,
        runs: 3,
        note: note(consumedSmall, consumedLarge),
      }),
    ]
  })
}

async function medianOf(times: number, run: () => Promise<{ readonly value: number }>): Promise<number> {
  const values: number[] = []
  for (let round = 0; round < times; round += 1) values.push((await run()).value)
  return median(values)
}

async function inFolder<Result>(run: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    return await run(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A line that stands alone: no peer does the same work. */
function line(
  scenario: string,
  measured: Partial<Measured>,
  { ours, unit, runs, note }: Pick<Line, 'ours' | 'unit' | 'runs' | 'note'>,
): Line {
  const { engine = 'sqlite', engineVersion = '', durability = '' } = measured
  const alone = { peer: null, peerValue: null, ratio: null, limit: null, ofLimit: null }
  return { scenario, engine, engineVersion, durability, unit, ours, ...alone, runs, note }
}

function count(events: number): string {
  return events >= 1_000_000 ? `${events / 1_000_000} M` : `${events / 1_000} k`
}
