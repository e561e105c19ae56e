import type { Consumer, Driver, Engine, Runtime, StoredRecord, Transport } from '@millrace/core/driver'
import { memory } from '@millrace/core/memory'

/** A driver with one planted defect, and the property that must find it. */
export interface Mutation {
  readonly defect: string
  readonly caughtBy: string
  /** A property of the whole bus that must find it too. */
  readonly caughtByBus?: string
  /** Called once for each opened driver; `opened` counts from 1. */
  plant(driver: Driver, facts: { readonly opened: number; readonly runtime: Runtime }): Driver
}

/** The memory engine with the defect planted. */
export function mutantEngine(mutation: Mutation): Engine {
  const sound = memory()
  let opened = 0
  return {
    name: `memory with a defect: ${mutation.defect}`,
    open(runtime) {
      opened += 1
      return mutation.plant(sound.open(runtime), { opened, runtime })
    },
  }
}

/** Replaces members of the transport; `capabilities` stays the getter that it is. */
export function withTransport(driver: Driver, changes: Partial<Omit<Transport, 'capabilities'>>): Driver {
  const entries = Object.entries(changes).map(([name, value]) => [name, { value }] as const)
  return { ...driver, transport: Object.create(driver.transport, Object.fromEntries(entries)) as Transport }
}

/** Replaces members of one of the stores. */
export function withStore<Name extends keyof Driver['stores']>(
  driver: Driver,
  name: Name,
  changes: Partial<NonNullable<Driver['stores'][Name]>>,
): Driver {
  return { ...driver, stores: { ...driver.stores, [name]: { ...driver.stores[name], ...changes } } }
}

/** One of the stores. Throws when the driver does not have it. */
export function storeOf<Name extends keyof Driver['stores']>(
  { stores }: Driver,
  name: Name,
): NonNullable<Driver['stores'][Name]> {
  const store = stores[name]
  if (store === undefined) throw new Error(`The driver has no store "${name}".`)
  return store
}

/** Replaces members of each consumer. */
export function withConsumer(
  driver: Driver,
  change: (consumer: Consumer, options: Parameters<Transport['consume']>[0]) => Partial<Consumer>,
): Driver {
  return withTransport(driver, {
    consume(options) {
      const consumer = driver.transport.consume(options)
      return { ...consumer, ...change(consumer, options) }
    },
  })
}

/** Changes what every fetch gives. */
export function withFetched(
  driver: Driver,
  change: (records: readonly StoredRecord[]) => readonly StoredRecord[],
): Driver {
  return withConsumer(driver, (consumer) => ({ fetch: async (options) => change(await consumer.fetch(options)) }))
}
