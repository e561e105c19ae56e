import type { NetworkFaults } from './network-faults.ts'
import type { Random } from './random.ts'

/** Something bad that is done to a process or the engine at a time. */
export interface Attack {
  readonly at: number
  readonly does: 'kill' | 'pause' | 'cut' | 'leave' | 'join' | 'crash' | 'stall' | 'requeue'
  /** The number of the process that it hits. */
  readonly member: number
  /** How long it lasts, or until a restart, in milliseconds. */
  readonly ms: number
}

const KINDS: readonly Attack['does'][] = ['kill', 'pause', 'cut', 'leave', 'join', 'crash', 'stall', 'requeue']

/** Draws the attacks of a seed: some kinds of them only, at least four, so that rare combinations come up (swarm testing). */
export function drawNemesis(random: Random): readonly Attack[] {
  const kinds = KINDS.filter(() => random.chance(0.5))
  if (kinds.length === 0) kinds.push('kill')
  const extras = { joins: 0 }
  return Array.from({ length: random.between(4, 12) }, () => {
    let does = random.pick(kinds)
    if (does === 'join' && ++extras.joins > 2) does = 'kill'
    return { at: random.between(300, 7_500), does, member: random.between(0, 4), ms: durationOf(does, random) }
  })
}

function durationOf(does: Attack['does'], random: Random): number {
  if (does === 'pause' || does === 'cut') return random.between(200, 3_500)
  if (does === 'crash') return random.between(20, 1_200)
  if (does === 'stall') return random.between(50, 1_500)
  return random.between(20, 1_500)
}

/** Draws how the network fails for a while: each kind of fault is on in some spells only. */
export function drawFaults(random: Random): NetworkFaults {
  const rate = (on: number, most: number): number => (random.chance(on) ? random.next() * most : 0)
  return {
    dropRequest: rate(0.3, 0.03),
    dropReply: rate(0.3, 0.03),
    late: rate(0.3, 0.05),
    duplicate: rate(0.3, 0.2),
    slow: rate(0.4, 0.2),
    slowMs: random.pick([5, 50, 300]),
    torn: rate(0.2, 0.2),
    reject: rate(0.2, 0.05),
    latencyMs: random.pick([0.2, 0.5, 2]),
  }
}
