import type { BenchEngine } from '../engine.ts'
import { measureIn, type Measurement } from '../measure.ts'
import { eventCount, median, standalone, type Line } from '../report.ts'
import type { Extent } from '../extent.ts'

const SMALL = 10_000
const LARGE = 1_000_000

/** How much more memory a worker takes at its peak over a large backlog than over a small one. */
export async function memory(engine: BenchEngine, { runs, scale }: Extent): Promise<readonly Line[]> {
  const differences: number[] = []
  const peaks: number[] = []
  let last: Partial<Measurement> = {}
  const times = Math.min(runs, engine.large.runs)
  for (let round = 0; round < times; round += 1) {
    const over = await peakOver(engine, Math.ceil(SMALL * scale))
    const peak = await peakOver(engine, Math.ceil(LARGE * scale))
    last = peak
    differences.push(peak.value - over.value)
    peaks.push(peak.value)
  }
  const note = `a backlog of ${eventCount(LARGE * scale)} against ${eventCount(SMALL * scale)}; peak RSS ${Math.round(median(peaks))} MiB`
  return [standalone('memory', last, { unit: 'MiB more', ours: median(differences), runs: times, note })]
}

function peakOver(engine: BenchEngine, backlog: number): Promise<Measurement> {
  return measureIn(engine.place, `millrace-${engine.name}`, [
    { what: 'fill', count: backlog, inFlight: 4 },
    { what: 'drain', count: backlog, inFlight: 0 },
  ])
}
