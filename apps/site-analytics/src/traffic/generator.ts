import { randomBytes } from 'node:crypto'
import type { Runtime } from '@millrace/core'
import { createChance } from './random.ts'
import { createVisitor, type Visitor } from './visitor.ts'

/** Pretended visitors who walk the site and send what browsers would, through the real HTTP endpoint. */
export interface TrafficGenerator {
  readonly isOn: boolean
  /** Beacons sent since it was switched on, and how many were not answered with 202 or a refusal of bad input. */
  readonly sent: number
  readonly failed: number
  switchOn(): void
  switchOff(): void
  /** The visitor that a request pretends to be, if this generator sent it. */
  addressOf(headers: Headers): string | undefined
}

/** Visitors at once. */
const CROWD = 24
const TOKEN_HEADER = 'x-site-analytics-generated'
const ADDRESS_HEADER = 'x-site-analytics-address'
const ARRIVAL_MS = 350
const TIMEOUT_MS = 5_000

/** `endpoint` is asked for each time, because the port is not known before the server listens. */
export function createTrafficGenerator(endpoint: () => string, runtime: Runtime, seed = 1807): TrafficGenerator {
  // Only who holds this token may say which address a beacon is from; it never leaves the process but to ourselves.
  const token = randomBytes(24).toString('base64url')
  const chance = createChance(seed)
  const crowd = new Set<Visitor>()
  let round = 0
  let number = 0
  const state = { isOn: false, sent: 0, failed: 0 }

  function arrive(mine: number): void {
    if (!state.isOn || mine !== round) return
    if (crowd.size < CROWD) {
      number += 1
      const visitor = createVisitor(number, chance, () => runtime.id())
      crowd.add(visitor)
      void act(visitor, mine)
    }
    runtime.setTimer(() => arrive(mine), chance.around(ARRIVAL_MS))
  }

  async function act(visitor: Visitor, mine: number): Promise<void> {
    if (!state.isOn || mine !== round) return
    const beacon = visitor.next(runtime.now())
    if (beacon === undefined) {
      crowd.delete(visitor)
      return
    }
    const ok = await post(endpoint(), beacon.body, {
      'user-agent': beacon.userAgent,
      [TOKEN_HEADER]: token,
      [ADDRESS_HEADER]: beacon.address,
    })
    state.sent += 1
    if (!ok) state.failed += 1
    runtime.setTimer(() => void act(visitor, mine), visitor.pause())
  }

  return {
    get isOn() {
      return state.isOn
    },
    get sent() {
      return state.sent
    },
    get failed() {
      return state.failed
    },
    switchOn() {
      if (state.isOn) return
      round += 1
      Object.assign(state, { isOn: true, sent: 0, failed: 0 })
      arrive(round)
    },
    switchOff() {
      state.isOn = false
      crowd.clear()
    },
    addressOf: (headers) =>
      headers.get(TOKEN_HEADER) === token ? (headers.get(ADDRESS_HEADER) ?? undefined) : undefined,
  }
}

async function post(url: string, body: string, headers: Readonly<Record<string, string>>): Promise<boolean> {
  try {
    const response = await fetch(url, { method: 'POST', body, headers, signal: AbortSignal.timeout(TIMEOUT_MS) })
    await response.arrayBuffer()
    return response.status < 500
  } catch {
    return false
  }
}
