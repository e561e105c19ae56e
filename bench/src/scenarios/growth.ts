import type { BenchEngine } from '../engine.ts'
import type { Extent } from '../extent.ts'
import { inPlace, type RunIn } from '../measure.ts'
import { eventCount, median, standalone, type Line } from '../report.ts'

const SMALL = 100_000
const TIMES = 3
const MEASURED = ['publish', 'consume'] as const

/**
 * The rates with a large backlog in the engine as a share of those with 100 k. Two files take turns, so that nothing but
 * the size sets them apart; a server has one place, which is measured, filled up and measured again.
 */
export function growth(engine: BenchEngine, { runs, scale }: Extent): Promise<readonly Line[]> {
  const small = Math.ceil(SMALL * scale)
  const large = Math.ceil(engine.large.backlog * scale)
  const times = Math.min(TIMES, runs)
  const ours = `millrace-${engine.name}`
  const rates = { small: ratesByName(), large: ratesByName() }
  const measure = async (run: RunIn, size: 'small' | 'large'): Promise<void> => {
    for (const what of MEASURED) {
      rates[size][what].push((await run(ours, { what, count: small, inFlight: engine.publish.inFlight })).value)
    }
  }
  const fill = (run: RunIn, count: number): ReturnType<RunIn> => run(ours, { what: 'fill', count, inFlight: 4 })
  const lines = (filled: Awaited<ReturnType<RunIn>>): readonly Line[] =>
    MEASURED.map((what) => {
      const [before, after] = [median(rates.small[what]), median(rates.large[what])]
      return standalone(`growth-${what}`, filled, {
        unit: 'of the rate',
        ours: after / before,
        runs: times,
        note: `${eventCount(large)} events against ${eventCount(small)}: ${Math.round(after)}/s against ${Math.round(before)}/s`,
      })
    })
  return inPlace(engine.place, async (run) => {
    await fill(run, small)
    if (engine.place.url === undefined) {
      return inPlace(engine.place, async (runLarge) => {
        const filled = await fill(runLarge, large)
        for (let round = 0; round < times; round += 1) {
          await measure(run, 'small')
          await measure(runLarge, 'large')
        }
        return lines(filled)
      })
    }
    for (let round = 0; round < times; round += 1) await measure(run, 'small')
    const filled = await fill(run, large)
    for (let round = 0; round < times; round += 1) await measure(run, 'large')
    return lines(filled)
  })
}

function ratesByName(): Record<(typeof MEASURED)[number], number[]> {
  return { publish: [], consume: [] }
}
