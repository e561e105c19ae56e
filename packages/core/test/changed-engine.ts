import type { Driver, Engine, Stores } from '../src/driver.ts'

/** Calls that are replaced, by port. */
type Changes = { readonly transport?: Partial<Driver['transport']> } & {
  readonly [Name in keyof Stores]?: Partial<NonNullable<Stores[Name]>>
}

/** The engine with some calls of its driver replaced. */
export function changed(engine: Engine, change: (driver: Driver) => Changes): Engine {
  return {
    name: engine.name,
    open(runtime) {
      const driver = engine.open(runtime)
      const { transport = {}, ...stores } = change(driver)
      const replaced = Object.entries(stores).map(([name, calls]) => [
        name,
        { ...driver.stores[name as keyof Stores], ...calls },
      ])
      return {
        ...driver,
        transport: Object.assign(Object.create(driver.transport), transport),
        stores: { ...driver.stores, ...Object.fromEntries(replaced) },
      }
    },
  }
}
