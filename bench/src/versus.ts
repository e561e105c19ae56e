import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runContender } from './contender-process.ts'
import { median, type Line } from './report.ts'
import type { Measured, Work } from './work.ts'

/** Another product that does the same work. */
export interface Peer {
  readonly contender: string
  /** With its version, as it is printed. */
  readonly name: string
  readonly url?: string
  /** Brings the peer's engine to an empty state before each run. */
  readonly reset?: () => Promise<void>
  readonly note?: string
}

/** A scenario that compares the same work. */
export interface Versus {
  readonly scenario: string
  readonly unit: string
  readonly better: 'higher' | 'lower'
  readonly work: Pick<Work, 'what' | 'count' | 'inFlight'>
  /** Events that are stored before the measurement begins. */
  readonly fill?: number
  readonly ours: string
  readonly limit: string | undefined
  readonly peers: readonly Peer[]
  readonly runs: number
  readonly note?: string
}

/** Runs ours, the bare client and each peer in turn, `runs` times, and gives a line per peer. */
export async function versus(options: Versus): Promise<readonly Line[]> {
  const ours: (Measured & { readonly value: number })[] = []
  const limits: number[] = []
  const peers = new Map<Peer, number[]>(options.peers.map((peer) => [peer, []]))
  for (let round = 0; round < options.runs; round += 1) {
    ours.push((await measureOnce(options, options.ours)) as Measured)
    if (options.limit !== undefined) limits.push((await measureOnce(options, options.limit)).value)
    for (const [peer, values] of peers) values.push((await measureOnce(options, peer.contender, peer)).value)
  }
  const values = ours.map(({ value }) => value)
  const [first] = ours
  const base = {
    scenario: options.scenario,
    engine: first?.engine ?? '',
    engineVersion: first?.engineVersion ?? '',
    durability: first?.durability ?? '',
    unit: options.unit,
    ours: median(values),
    limit: limits.length === 0 ? null : median(limits),
    ofLimit: limits.length === 0 ? null : median(ratios(values, limits, options.better)),
    runs: options.runs,
  }
  const p99 = ours.some((run) => run.p99 !== undefined)
    ? `p99 ${median(ours.map((run) => run.p99 ?? Number.NaN)).toPrecision(3)}`
    : ''
  const note = [p99, options.note ?? ''].filter((part) => part !== '').join('; ')
  if (peers.size === 0) return [{ ...base, peer: null, peerValue: null, ratio: null, note }]
  return [...peers].map(([peer, peerValues]) => ({
    ...base,
    peer: peer.name,
    peerValue: median(peerValues),
    ratio: median(ratios(values, peerValues, options.better)),
    note: [note, peer.note ?? ''].filter((part) => part !== '').join('; '),
  }))
}

/** Peers are given fewer events: their rate is steady, and a run of them would take many times as long. */
const PEER_SHARE = 0.25

/** One run in a fresh folder: fill if need be, then measure. */
async function measureOnce(
  options: Versus,
  contender: string,
  peer?: Peer,
): Promise<{ readonly value: number } & Partial<Measured>> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    await peer?.reset?.()
    const place = { folder, ...(peer?.url === undefined ? {} : { url: peer.url }) }
    const share = peer === undefined || options.work.what === 'latency' ? 1 : PEER_SHARE
    const count = Math.ceil(options.work.count * share)
    if (options.fill !== undefined)
      await runContender(contender, { what: 'fill', count: Math.ceil(options.fill * share), inFlight: 4, ...place })
    return await runContender(contender, { ...options.work, count, ...place })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function ratios(ours: readonly number[], theirs: readonly number[], better: 'higher' | 'lower'): number[] {
  return ours.map((value, at) =>
    better === 'higher' ? value / (theirs[at] ?? Number.NaN) : (theirs[at] ?? Number.NaN) / value,
  )
}
