import type { BenchEngine } from '../engine.ts'
import { inPlace } from '../measure.ts'
import { eventCount, median, standalone, type Line } from '../report.ts'
import type { Extent } from '../extent.ts'

const SMALL = 100_000
const TIMES = 3

/** The rates with a large backlog in the engine as a share of those with 100 k. */
export function growth(engine: BenchEngine, { runs, scale }: Extent): Promise<readonly Line[]> {
  const small = Math.ceil(SMALL * scale)
  const large = Math.ceil(engine.large.backlog * scale)
  const times = Math.min(TIMES, runs)
  return inPlace(engine.place, async (run) => {
    const ours = `millrace-${engine.name}`
    const rateOf = async (what: 'publish' | 'consume'): Promise<number> => {
      const values: number[] = []
      for (let round = 0; round < times; round += 1) {
        values.push((await run(ours, { what, count: small, inFlight: engine.publish.inFlight })).value)
      }
      return median(values)
    }
    await run(ours, { what: 'fill', count: small, inFlight: 4 })
    const before = { consume: await rateOf('consume'), publish: await rateOf('publish') }
    const filled = await run(ours, { what: 'fill', count: large, inFlight: 4 })
    const after = { consume: await rateOf('consume'), publish: await rateOf('publish') }
    return (['publish', 'consume'] as const).map((what) =>
      standalone(`growth-${what}`, filled, {
        unit: 'of the rate',
        ours: after[what] / before[what],
        runs: times,
        note: `${eventCount(large)} events against ${eventCount(small)}: ${Math.round(after[what])}/s against ${Math.round(before[what])}/s`,
      }),
    )
  })
}
