import { observeDriver } from '../bus/observed-driver.ts'
import { isAtLeast } from '../driver/capabilities.ts'
import type { Driver, Engine } from '../driver/driver.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { MillraceOptions } from './millrace.ts'

/** The engines of a backbone by what they are for; some of them may be one and the same. */
export interface Engines {
  /** Publishes and readings go here: the engine, the transport, or the log of record. */
  readonly main: Driver
  /** Outbox and inbox are here. */
  readonly store: Driver
  /** Fed from the log by a relay; undefined without a log. */
  readonly distribution: Driver | undefined
  /** Each once. */
  readonly all: readonly Driver[]
  /** Opens the log or the engine, and the store. Throws `engine_*`, `durability_too_low`. */
  start(): Promise<void>
  /** Opens the store only. */
  startStore(): Promise<void>
  readonly isStoreStarted: boolean
  /** Opens the distribution. */
  startDistribution(): Promise<void>
  close(): Promise<void>
}

/** Sorts out the engines and opens none of them. Throws `config_invalid`. */
export function createEngines(options: MillraceOptions, millrace: string, runtime: Runtime): Engines {
  const { transport, store, log } = checkEngines(options)
  const drivers = new Map<Engine, Driver>()
  const ready = new Set<Driver>()
  const open = (engine: Engine): Driver => {
    let driver = drivers.get(engine)
    if (driver === undefined) {
      driver = observeDriver(engine.open(runtime), { millrace, runtime })
      drivers.set(engine, driver)
    }
    return driver
  }
  const mainEngine = log ?? transport
  const main = open(mainEngine)
  const storeDriver = open(store)
  const distribution = log === undefined ? undefined : open(transport)

  async function connect(driver: Driver): Promise<void> {
    await driver.transport.connect()
    ready.add(driver)
  }

  return {
    main,
    store: storeDriver,
    distribution,
    all: [...drivers.values()],
    async start() {
      await Promise.all([connect(main), storeDriver === main ? undefined : connect(storeDriver)])
      checkDurability(main, mainEngine.name, options.durability)
    },
    startStore: () => connect(storeDriver),
    get isStoreStarted() {
      return ready.has(storeDriver)
    },
    async startDistribution() {
      if (distribution !== undefined) await connect(distribution)
    },
    async close() {
      await Promise.all([...drivers.values()].map((driver) => driver.transport.close()))
    },
  }
}

function checkEngines({ engine, transport, store, log }: MillraceOptions): {
  readonly transport: Engine
  readonly store: Engine
  readonly log: Engine | undefined
} {
  if (engine !== undefined) {
    const other = Object.entries({ transport, store, log }).find(([, value]) => value !== undefined)
    if (other !== undefined) throw invalid(`"engine" is given, and "${other[0]}" too`, other[0])
    return { transport: engine, store: engine, log: undefined }
  }
  if (transport === undefined) throw invalid('neither "engine" nor "transport" is given', 'engine')
  if (store === undefined) throw invalid('"transport" is given without "store"', 'store')
  if (log === transport) throw invalid('"log" and "transport" are the same engine', 'log')
  return { transport, store, log }
}

function invalid(what: string, path: string): MillraceError {
  return new MillraceError(
    'config_invalid',
    `createMillrace: ${what}. Give { engine }, or { transport, store }, or { transport, store, log }.`,
    { path },
  )
}

function checkDurability({ transport }: Driver, name: string, durability: MillraceOptions['durability']): void {
  const wanted = durability?.atLeast
  const actual = transport.capabilities.durability
  if (wanted === undefined || isAtLeast(actual, wanted)) return
  throw new MillraceError(
    'durability_too_low',
    `The engine ${name} keeps events at the level "${actual}", the configuration demands "${wanted}". Change the engine's settings, or demand less.`,
    { facts: { actual, wanted } },
  )
}
