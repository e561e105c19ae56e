import type { Driver, Engine } from '@millrace/core/driver'
import type { CallerDatabase } from './callers.ts'
import { createRandom, type Random } from './random.ts'
import { suiteRuntime } from './suite-runtime.ts'

/** What the suite has to know of a driver. */
export interface ConformanceOptions {
  /** For the report: `memory`, `sqlite`. */
  readonly name: string
  /** A new, empty engine. Called once for each property. */
  makeEngine(): Engine | Promise<Engine>
  /** The same data after everything that was open has been closed. Left out where data does not outlive its process. */
  readonly restart?: (engine: Engine) => Engine | Promise<Engine>
  /** The same data for another process, while the first has it open. Left out where an engine has one process only. */
  readonly secondProcess?: (engine: Engine) => Engine | Promise<Engine>
  /** The engine's database as its callers see it. Left out where callers have no transactions to share. */
  readonly callers?: (engine: Engine) => CallerDatabase | Promise<CallerDatabase>
  /** Called with each engine when its property is done. */
  readonly cleanUp?: (engine: Engine) => void | Promise<void>
  /** What the driver must declare; other levels fail the suite. */
  readonly capabilities?: Readonly<Record<string, string>>
  /** False for an engine that keeps no tasks: it only moves events. */
  readonly tasks?: boolean
  /** Properties that do not apply, by id, each with its reason. */
  readonly skip?: Readonly<Record<string, string>>
}

/** What a property works with: one engine, opened as often as it likes. */
export interface Context {
  /** Printed when the property fails; the same seed gives the same workload. */
  readonly seed: number
  readonly random: Random
  /** What the drivers have warned of. */
  readonly warnings: readonly string[]
  readonly engine: Engine
  readonly capabilities: Readonly<Record<string, string>> | undefined
  /** Opens the engine and connects. All are closed at the end. */
  open(options?: { readonly skewMs?: () => number }): Promise<Driver>
  /** Opens the engine as another process would while this one has it open. Needs `secondProcess`. */
  openSecond(options?: { readonly skewMs?: () => number }): Promise<Driver>
  /** The engine for another process. */
  secondEngine(): Promise<Engine>
  /** The engine's database as callers see it, when the engine has made it. Closed at the end. Needs `callers`. */
  callers(): Promise<CallerDatabase>
  /** Closes all that is open, giving nothing back, as a crash would; then opens again. Needs `restart`. */
  restart(): Promise<Driver>
  /** Runs at the end, before engines are closed. */
  onEnd(release: () => unknown): void
  end(): Promise<void>
}

/** A context with a fresh engine. `end` releases it. */
export async function createContext(options: ConformanceOptions, seed: number): Promise<Context> {
  let engine = await options.makeEngine()
  const open = new Set<Driver>()
  const releases: (() => unknown)[] = []
  const warnings: string[] = []

  async function openOne(source: Engine, skewMs?: () => number): Promise<Driver> {
    const driver = source.open(suiteRuntime(skewMs, (text) => warnings.push(text)))
    open.add(driver)
    await driver.transport.connect()
    return driver
  }

  async function closeAll(): Promise<void> {
    await Promise.all([...open].map(({ transport }) => transport.close()))
    open.clear()
  }

  async function secondEngine(): Promise<Engine> {
    if (options.secondProcess === undefined) throw new Error('This property needs `secondProcess`.')
    return options.secondProcess(engine)
  }

  return {
    seed,
    warnings,
    random: createRandom(seed),
    get engine() {
      return engine
    },
    capabilities: options.capabilities,
    open: ({ skewMs } = {}) => openOne(engine, skewMs),
    openSecond: async ({ skewMs } = {}) => openOne(await secondEngine(), skewMs),
    secondEngine,
    async callers() {
      if (options.callers === undefined) throw new Error('This property needs `callers`.')
      const database = await options.callers(engine)
      releases.push(() => database.close())
      return database
    },
    async restart() {
      if (options.restart === undefined) throw new Error('This property needs `restart`.')
      await closeAll()
      engine = await options.restart(engine)
      return openOne(engine)
    },
    onEnd: (release) => void releases.push(release),
    async end() {
      for (const release of releases.toReversed()) await release()
      await closeAll()
      await options.cleanUp?.(engine)
    },
  }
}
