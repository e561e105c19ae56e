import { MillraceError } from '@millrace/core'
import type { Engine, LeaseStore, Stores } from '@millrace/core/driver'

/** An engine between whose stores and their caller somebody stands. */
export interface GatedEngine {
  readonly engine: Engine
  /** No call gets through until `open`, as if its process stood still. */
  hold(): void
  open(): void
  /** No call gets an answer any more. */
  cut(): void
  /** What still waits is told that all is closed. */
  bury(): void
}

const BEAT_MS = 40

/** An engine of which one process can be held up or cut off, while others share it. */
export function gatedEngine(shared: Engine): GatedEngine {
  let state: 'open' | 'held' | 'cut' | 'buried' = 'open'
  const waiting = new Set<() => void>()
  const change = (next: typeof state): void => {
    state = next
    for (const wake of waiting) wake()
    waiting.clear()
  }
  const pass = async (): Promise<void> => {
    while (state === 'held' || state === 'cut') await new Promise<void>((resolve) => waiting.add(resolve))
    if (state === 'buried') throw new MillraceError('closed', 'The process is dead.')
  }
  // The engine's own beat looks at a stamp: it stands still with the process.
  const alive = new Int32Array(new SharedArrayBuffer(4))
  const beating = setInterval(() => {
    if (state === 'open') Atomics.add(alive, 0, 1)
    if (state === 'buried') clearInterval(beating)
  }, BEAT_MS)
  beating.unref()
  const gated = <Store extends object>(store: Store): Store =>
    new Proxy(store, {
      get(target, name, receiver) {
        const member: unknown = Reflect.get(target, name, receiver)
        if (typeof member !== 'function' || name === 'listen') return member
        return async (...input: unknown[]): Promise<unknown> => {
          await pass()
          const answer: unknown = await Reflect.apply(member, target, input)
          await pass()
          return answer
        }
      },
    })
  return {
    engine: {
      name: shared.name,
      open(runtime) {
        const driver = shared.open(runtime)
        const stores = Object.fromEntries(
          Object.entries(driver.stores).map(([name, store]) => [name, gated(store as object)]),
        ) as unknown as Stores
        const { leases } = driver.stores
        const join: LeaseStore['join'] = async (member, { everyMs }) => {
          await pass()
          await leases.join(member, { everyMs, aliveWithinMs: BEAT_MS * 4, alive })
        }
        return { ...driver, stores: { ...stores, leases: { ...gated(leases), join } } }
      },
    },
    hold: () => change('held'),
    open: () => change('open'),
    cut: () => change('cut'),
    bury: () => change('buried'),
  }
}
