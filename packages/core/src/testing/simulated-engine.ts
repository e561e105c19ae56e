import type { Driver, Engine } from '../driver/driver.ts'
import { NO_FAULTS, type NetworkFaults } from './network-faults.ts'
import { openSimulatedDriver } from './simulated-driver.ts'
import { createSimulatedLink, type SimulatedLink } from './simulated-link.ts'
import { createSimulatedServer } from './simulated-server.ts'
import type { SimulatedProcess, World } from './world.ts'

/** An engine in a simulated world: the real memory engine behind a network that fails as it is told to. */
export interface SimulatedEngine {
  /** The engine as one process sees it. */
  connect(process: SimulatedProcess): Engine
  /** From now on the network fails like this. */
  setFaults(faults: NetworkFaults): void
  /** Nothing comes through between the engine and this process for `ms` milliseconds. */
  cut(process: SimulatedProcess, ms: number): void
  /** Loses what is not synced and is away for `downMs` milliseconds. Returns how many changes were lost. */
  crash(downMs: number): number
  /** Answers nothing for `ms` milliseconds. */
  stall(ms: number): void
  /** Looks at the state without network and without taking time: for the checker. */
  readonly driver: Driver
  readonly counts: { resentStoredOnce: number }
}

/**
 * An engine for simulations. An acknowledged change is never lost: replies wait for a sync, and a crash goes back to the
 * last one. Without `setFaults` everything works.
 *
 * @example
 * const world = createWorld(seed)
 * const engine = simulatedEngine({ world })
 * const first = world.spawn('first')
 * const millrace = createMillrace({ engine: engine.connect(first), runtime: first.runtime })
 */
export function simulatedEngine({
  world,
  syncMs = 0.5,
}: {
  readonly world: World
  readonly syncMs?: number
}): SimulatedEngine {
  const random = world.random.fork()
  const server = createSimulatedServer(world, { syncMs: () => syncMs * (0.5 + random.next()) })
  const links = new Map<SimulatedProcess, SimulatedLink>()
  const counts = { resentStoredOnce: 0 }
  let faults = NO_FAULTS

  function linkOf(process: SimulatedProcess): SimulatedLink {
    const known = links.get(process)
    if (known !== undefined) return known
    const link = createSimulatedLink({ world, server, process, random: world.random.fork(), faults: () => faults })
    links.set(process, link)
    return link
  }

  return {
    connect: (process) => ({
      name: 'simulated:',
      open: (runtime) =>
        openSimulatedDriver({
          link: linkOf(process),
          runtime,
          random: world.random.fork(),
          faults: () => faults,
          onDuplicate: () => (counts.resentStoredOnce += 1),
        }),
    }),
    setFaults: (next) => void (faults = next),
    cut: (process, ms) => linkOf(process).cut(ms),
    crash: server.crash,
    stall: server.stall,
    get driver() {
      return server.driver
    },
    counts,
  }
}
