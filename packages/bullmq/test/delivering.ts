import type { Engine } from '@millrace/core/driver'

/** An engine whose deliveries go through `around`. */
export function delivering(engine: Engine, around: (fire: () => Promise<boolean>) => Promise<boolean>): Engine {
  return {
    name: engine.name,
    open(runtime) {
      const driver = engine.open(runtime)
      const { schedules } = driver.stores
      if (schedules === undefined) throw new Error('This engine keeps no schedules.')
      const fire: typeof schedules.fire = (firing) => around(() => schedules.fire(firing))
      return { ...driver, stores: { ...driver.stores, schedules: { ...schedules, fire } } }
    },
  }
}
