import type { Driver, Engine, Stores } from '@millrace/core/driver'

/** The same engine with parts of its port replaced. */
export function aroundDriver(engine: Engine, change: (driver: Driver) => Partial<Driver>): Engine {
  return {
    name: engine.name,
    open(runtime) {
      const driver = engine.open(runtime)
      return { ...driver, ...change(driver) }
    },
  }
}

/** The same stores with some of them changed. */
export function withStores(driver: Driver, stores: Partial<Stores>): Partial<Driver> {
  return { stores: { ...driver.stores, ...stores } }
}

/** The same transport with some members replaced; the others are looked up in the original. */
export function withTransport(driver: Driver, members: Partial<Driver['transport']>): Partial<Driver> {
  return {
    transport: Object.create(driver.transport, Object.getOwnPropertyDescriptors(members)) as Driver['transport'],
  }
}
