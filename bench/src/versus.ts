import type { BenchEngine, ComparedScenario, Peer } from './engine.ts'
import { measureIn, type Measurement, type Task } from './measure.ts'
import { standalone, median, type Line } from './report.ts'

/** A scenario that compares the same work. */
export interface Versus {
  readonly scenario: ComparedScenario
  readonly unit: string
  readonly better: 'higher' | 'lower'
  readonly task: Task
  /** Events that are stored before the measurement begins. */
  readonly fill?: number
  readonly runs: number
  readonly note: string
  /** False where the bare client has nothing like it. Default true. */
  readonly hasLimit?: boolean
}

/** Runs ours, the bare client and each peer in turn, `runs` times, and gives a line per peer. */
export async function versus(engine: BenchEngine, options: Versus): Promise<readonly Line[]> {
  const peers = engine.peers.flatMap((peer) => {
    const share = peer.scenarios[options.scenario]
    return share === undefined ? [] : [{ peer, share, values: [] as number[] }]
  })
  const ours: Measurement[] = []
  const limits: number[] = []
  for (let round = 0; round < options.runs; round += 1) {
    ours.push(await measureIn(engine.place, `millrace-${engine.name}`, tasksOf(options, 4)))
    // The bare client gathers what is asked for at once, as ours does with batches.
    if (options.hasLimit !== false)
      limits.push((await measureIn(engine.place, engine.limit.contender, tasksOf(options, 1_000))).value)
    for (const { peer, share, values } of peers) {
      const place = peer.place ?? engine.place
      values.push((await measureIn(place, peer.contender, tasksOf(options, 2, share))).value)
    }
  }
  return linesOf(options, { ours, limits, peers })
}

/** Fill if need be, then measure. */
function tasksOf({ task, fill }: Versus, fillInFlight: number, share = 1): readonly Task[] {
  const part = (count: number): number => Math.ceil(count * share)
  const measured = {
    ...task,
    count: part(task.count),
    inFlight: task.what === 'fill' ? fillInFlight : task.inFlight,
  }
  return fill === undefined
    ? [measured]
    : [{ ...task, what: 'fill', count: part(fill), inFlight: fillInFlight }, measured]
}

interface Results {
  readonly ours: readonly Measurement[]
  readonly limits: readonly number[]
  readonly peers: readonly { readonly peer: Peer; readonly values: readonly number[] }[]
}

function linesOf(options: Versus, { ours, limits, peers }: Results): readonly Line[] {
  const { scenario, unit, better, runs, note } = options
  const values = ours.map(({ value }) => value)
  const p99s = ours.flatMap(({ p99 }) => (p99 === undefined ? [] : [p99]))
  const base: Line = {
    ...standalone(scenario, ours[0] ?? {}, { unit, ours: median(values), runs, note }),
    ...(p99s.length === 0 ? {} : { p99: median(p99s) }),
    ...(limits.length === 0 ? {} : { limit: median(limits), ofLimit: median(ratios(values, limits, better)) }),
  }
  if (peers.length === 0) return [base]
  return peers.map(({ peer, values: theirs }) => ({
    ...base,
    peer: peer.name,
    peerValue: median(theirs),
    ratio: median(ratios(values, theirs, better)),
    note: `${note}; ${peer.name}: ${peer.about}`,
  }))
}

function ratios(ours: readonly number[], theirs: readonly number[], better: 'higher' | 'lower'): number[] {
  return ours.map((value, at) =>
    better === 'higher' ? value / (theirs[at] ?? Number.NaN) : (theirs[at] ?? Number.NaN) / value,
  )
}
