import type { Engine, Transport } from '@millrace/core/driver'

/** Places in the SQLite driver at which a worker kills itself for certain. */
export const SQLITE_POINTS = [
  'before-commit',
  'after-commit-before-reply',
  'mid-batch',
  'after-dead-letter',
  'mid-checkpoint',
] as const
/** Places in the handlers and in the stores. */
export const HARNESS_POINTS = [
  'inside-handler',
  'after-handler',
  'dead-letter-before-settle',
  'lane-before-settle',
] as const
/** Places around the transport of an engine whose work is done by a server: the request is on its way, or has been answered. */
export const SERVER_POINTS = [
  'publish-under-way',
  'after-store-before-reply',
  'settle-under-way',
  'after-settle',
  'after-fetch',
  'after-claim',
] as const
/** Places in the life of a task. */
export const TASK_POINTS = [
  'after-task-claim',
  'inside-task',
  'after-task',
  'task-settle-under-way',
  'after-task-settle',
  'enqueue-under-way',
  'after-enqueue',
  'firing-under-way',
  'after-firing',
  'reclaim-under-way',
] as const
export type PointName =
  | (typeof SQLITE_POINTS)[number]
  | (typeof HARNESS_POINTS)[number]
  | (typeof SERVER_POINTS)[number]
  | (typeof TASK_POINTS)[number]

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
      const { deadLetters, lane, leases } = driver.stores
      return {
        ...driver,
        transport: aroundTransport(driver.transport, points),
        stores: {
          ...driver.stores,
          leases: {
            ...leases,
            async claim(claim) {
              const won = await leases.claim(claim)
              if (won !== undefined) points.pass('after-claim')
              return won
            },
          },
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

function aroundTransport(transport: Transport, points: Points): Transport {
  const publish: Transport['publish'] = async (records, options) => {
    const asked = transport.publish(records, options)
    // The request leaves with the current turn of the loop.
    setImmediate(() => points.pass('publish-under-way'))
    const outcomes = await asked
    points.pass('after-store-before-reply')
    return outcomes
  }
  const consume: Transport['consume'] = (options) => {
    const consumer = transport.consume(options)
    return {
      ...consumer,
      async fetch(fetching) {
        const records = await consumer.fetch(fetching)
        if (records.length > 0) points.pass('after-fetch')
        return records
      },
      async settle(progress) {
        const asked = consumer.settle(progress)
        setImmediate(() => points.pass('settle-under-way'))
        const answer = await asked
        points.pass('after-settle')
        return answer
      },
    }
  }
  return Object.create(transport, { publish: { value: publish }, consume: { value: consume } }) as Transport
}
