import { MillraceError, type Engine } from '@millrace/core/driver'

/** An engine as one process sees it that can be stopped dead. */
export interface MortalEngine {
  readonly engine: Engine
  /** Nothing is given back, and no later call answers. */
  die(): Promise<void>
  /** Fails the calls that hang, so that what made them can end. */
  bury(): void
}

/** Wraps an engine for a process that will die. */
export function mortal(engine: Engine): MortalEngine {
  const grave = Promise.withResolvers<never>()
  grave.promise.catch(() => {})
  const deaths: (() => Promise<void>)[] = []
  let dead = false
  const call = (target: object, name: string, given: readonly unknown[]): unknown => {
    if (dead) return name === 'close' ? Promise.resolve() : grave.promise
    const result: unknown = Reflect.apply(Reflect.get(target, name) as () => unknown, target, given)
    return name === 'consume' ? guarded(result as object) : result
  }
  const guarded = <Target extends object>(target: Target): Target => {
    const guard = {}
    for (const name of memberNames(target)) {
      const isMethod = name !== 'capabilities'
      const get = isMethod
        ? (): unknown =>
            (...given: unknown[]) =>
              call(target, name, given)
        : (): unknown => Reflect.get(target, name)
      Object.defineProperty(guard, name, { get, enumerable: true })
    }
    return guard as Target
  }
  return {
    engine: {
      name: engine.name,
      open(runtime) {
        const driver = engine.open(runtime)
        deaths.push(() => driver.transport.close())
        const { leases, lane, deadLetters, index } = driver.stores
        const stores = {
          leases: guarded(leases),
          lane: guarded(lane),
          deadLetters: guarded(deadLetters),
          index: guarded(index),
        }
        return { transport: guarded(driver.transport), stores, diagnose: (options) => driver.diagnose(options) }
      },
    },
    async die() {
      dead = true
      for (const death of deaths) await death()
    },
    bury: () => grave.reject(new MillraceError('closed', 'The process of this engine has died.')),
  }
}

/** The names of all members, those that a wrapper has inherited included. */
function memberNames(target: object): Set<string> {
  const names = new Set<string>()
  for (let level: object | null = target; level !== null && level !== Object.prototype;) {
    for (const name of Object.getOwnPropertyNames(level)) names.add(name)
    level = Object.getPrototypeOf(level) as object | null
  }
  return names
}
