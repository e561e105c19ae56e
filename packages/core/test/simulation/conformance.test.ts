import { conformance } from '@millrace/conformance'
import { systemRuntime } from '@millrace/core'
import { wait, type Engine } from '@millrace/core/driver'
import { vi } from 'vitest'
import { createWorld, simulatedEngine, type SimulatedEngine, type World } from '@millrace/core/testing'

/** A world whose time keeps up with the real one, since the suite waits in real time. */
interface LivingWorld {
  readonly world: World
  readonly simulated: SimulatedEngine
  stop(): void
}

const runtime = systemRuntime()
const realNow = performance.now.bind(performance)
// By the clock of its world the suite measures what passes there: on a busy machine the real one is ahead at times.
let suiteNow = realNow
vi.spyOn(performance, 'now').mockImplementation(() => suiteNow())
const worlds = new Map<Engine, LivingWorld>()

// What the simulation does to the bus says something about the bus only if the engine below it is a good one.
conformance({
  name: 'simulated, with all faults off',
  makeEngine: () => attach(bringToLife()),
  restart: (engine) => attach(worldOf(engine)),
  secondProcess: (engine) => attach(worldOf(engine)),
  cleanUp: (engine) => worldOf(engine).stop(),
  capabilities: { durability: 'fsync', order: 'native', fencing: 'native', dedupe: 'native', processes: 'native' },
  skip: {
    '31 opening and closing leaves no timer and no handle': 'a timer of this test moves the time of its world',
    '37 bus: replay shows a range to one group again': 'the clock of the world is a little behind that of the suite',
  },
})

function attach(living: LivingWorld): Engine {
  const engine = living.simulated.connect(living.world.spawn('suite'))
  worlds.set(engine, living)
  return engine
}

function worldOf(engine: Engine): LivingWorld {
  const living = worlds.get(engine)
  if (living === undefined) throw new Error('The engine belongs to no world.')
  return living
}

function bringToLife(): LivingWorld {
  const world = createWorld(1, { beginsAt: Date.now() })
  const simulated = simulatedEngine({ world, syncMs: 0.1 })
  const began = realNow()
  let stopped = false
  suiteNow = () => began + world.now
  void keepUp()
  return { world, simulated, stop }

  function stop(): void {
    stopped = true
    suiteNow = realNow
  }

  async function keepUp(): Promise<void> {
    while (!stopped) {
      await world.run(() => false, Math.max(0, realNow() - began - world.now))
      await wait(runtime, 1)
    }
  }
}
