import type { Engine } from '@millrace/core/driver'

/** Places at which a worker kills itself for certain; the first ones are in the SQLite driver, the others here. */
export const DRIVER_POINTS = [
  'before-commit',
  'after-commit-before-reply',
  'mid-batch',
  'after-dead-letter',
  'mid-checkpoint',
] as const
export const HARNESS_POINTS = [
  'inside-handler',
  'after-handler',
  'dead-letter-before-settle',
  'lane-before-settle',
] as const
export type PointName = (typeof DRIVER_POINTS)[number] | (typeof HARNESS_POINTS)[number]

/** Kills this process when it comes by the place for the given time. */
export interface Points {
  pass(name: PointName): void
}

export function createPoints(wanted: string | undefined, count: number): Points {
  let left = count
  return {
    pass(name) {
      if (name !== wanted) return
      left -= 1
      if (left === 0) process.kill(process.pid, 'SIGKILL')
    },
  }
}

/** The engine with the harness's own places around its port. */
export function withPoints(engine: Engine, points: Points): Engine {
  return {
    name: engine.name,
    open(runtime) {
      const driver = engine.open(runtime)
      const { deadLetters, lane } = driver.stores
      return {
        ...driver,
        stores: {
          ...driver.stores,
          deadLetters: {
            ...deadLetters,
            async put(letters, token, options) {
              const outcome = await deadLetters.put(letters, token, options)
              points.pass('dead-letter-before-settle')
              return outcome
            },
          },
          lane: {
            ...lane,
            async add(entries, options) {
              const outcome = await lane.add(entries, options)
              points.pass('lane-before-settle')
              return outcome
            },
          },
        },
      }
    },
  }
}
