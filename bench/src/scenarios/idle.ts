import type { BenchEngine, CountingServer } from '../engine.ts'
import { measureIn, type Measurement, type Task } from '../measure.ts'
import { standalone, type Line } from '../report.ts'
import type { Extent } from '../extent.ts'

const SECONDS = 60

/** Commands a minute that a server is sent for one subscription to which nothing comes. */
export function idle(engine: BenchEngine, extent: Extent): Promise<readonly Line[]> {
  return whileIdle(engine, extent, { scenario: 'idle', what: 'subscription', asTasks: false })
}

/** Commands a minute that a server is sent for one worker of tasks to which nothing comes. */
export function idleTasks(engine: BenchEngine, extent: Extent): Promise<readonly Line[]> {
  return whileIdle(engine, extent, { scenario: 'tasks-idle', what: 'worker', asTasks: true })
}

async function whileIdle(
  engine: BenchEngine,
  { scale }: Extent,
  { scenario, what, asTasks }: { readonly scenario: string; readonly what: string; readonly asTasks: boolean },
): Promise<readonly Line[]> {
  const { startCounting } = engine
  if (startCounting === undefined) return []
  const count = Math.max(10, Math.ceil(SECONDS * scale))
  const peers = engine.peers.filter((peer) => peer.scenarios.idle !== undefined)
  const contenders = [`millrace-${engine.name}`, ...peers.map(({ contender }) => contender)]
  // Each has a server of its own, and none has anything to do, so that they can be watched at once.
  const [ours, ...theirs] = await Promise.all(
    contenders.map((contender) => countOne(startCounting, contender, { what: 'idle', asTasks, count, inFlight: 0 })),
  )
  const told = (name: string, one?: Measurement): string => (one?.note === undefined ? '' : `; ${name} ${one.note}`)
  const base = standalone(scenario, ours ?? {}, {
    unit: 'commands/min',
    ours: ours?.value ?? Number.NaN,
    runs: 1,
    note: `one ${what} to which nothing comes, counted by the server over ${count} s${told('ours', ours)}`,
  })
  if (peers.length === 0) return [base]
  return peers.map((peer, at) => {
    const peerValue = theirs[at]?.value ?? Number.NaN
    const note = `${base.note}${told(peer.name, theirs[at])}; ${peer.name}: ${peer.about}`
    return { ...base, peer: peer.name, peerValue, ratio: peerValue / base.ours, note }
  })
}

async function countOne(
  startCounting: () => Promise<CountingServer>,
  contender: string,
  task: Task,
): Promise<Measurement> {
  const server = await startCounting()
  try {
    const place = { url: server.url, reset: async () => undefined }
    return await measureIn(place, contender, [task])
  } finally {
    await server.stop()
  }
}
