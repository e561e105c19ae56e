import type { BenchEngine, CountingServer } from '../engine.ts'
import { measureIn, type Measurement } from '../measure.ts'
import { standalone, type Line } from '../report.ts'
import type { Extent } from '../extent.ts'

const SECONDS = 60

/** Commands a minute that a server is sent for one subscription, or one worker, to which nothing comes. */
export async function idle(engine: BenchEngine, { scale }: Extent): Promise<readonly Line[]> {
  const { startCounting } = engine
  if (startCounting === undefined) return []
  const count = Math.max(10, Math.ceil(SECONDS * scale))
  const peers = engine.peers.filter((peer) => peer.scenarios.idle !== undefined)
  const contenders = [`millrace-${engine.name}`, ...peers.map(({ contender }) => contender)]
  // Each has a server of its own, and none has anything to do, so that they can be watched at once.
  const [ours, ...theirs] = await Promise.all(contenders.map((contender) => countOne(startCounting, contender, count)))
  const told = (name: string, one?: Measurement): string => (one?.note === undefined ? '' : `; ${name} ${one.note}`)
  const base = standalone('idle', ours ?? {}, {
    unit: 'commands/min',
    ours: ours?.value ?? Number.NaN,
    runs: 1,
    note: `one subscription to which nothing comes, counted by the server over ${count} s${told('ours', ours)}`,
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
  count: number,
): Promise<Measurement> {
  const server = await startCounting()
  try {
    const place = { url: server.url, reset: async () => undefined }
    return await measureIn(place, contender, [{ what: 'idle', count, inFlight: 0 }])
  } finally {
    await server.stop()
  }
}
