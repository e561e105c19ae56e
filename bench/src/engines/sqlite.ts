import type { BenchEngine } from '../engine.ts'
import { withVersion } from '../installed-version.ts'
import { bullmqOn, redisPlace } from './redis.ts'

/** How many of our events or tasks a peer is given: its rate is steady. */
const SHARES = {
  publish: 0.25,
  consume: 0.25,
  roundtrip: 0.25,
  latency: 1,
  'tasks-enqueue': 0.25,
  'tasks-process': 0.25,
  'tasks-latency': 1,
}

/** A SQLite file in a folder of its own for each measurement; BullMQ beside it works on a Redis. */
export async function sqliteEngine(): Promise<BenchEngine> {
  const redis = await redisPlace()
  const bullmq = bullmqOn({
    contender: 'bullmq',
    name: withVersion('bullmq'),
    place: redis.place,
    about: `on ${redis.about}; concurrency 100, removeOnComplete, 500 adds in flight`,
    scenarios: SHARES,
  })
  return {
    name: 'sqlite',
    about: `SQLite of Node.js ${process.versions.node}, WAL, synchronous FULL`,
    place: { reset: async () => undefined },
    limit: {
      contender: 'bare-sqlite',
      about:
        'node:sqlite in one thread: inserts of 500 a transaction, unique ids; reads of 1,000, JSON.parse, one insert a read; latency: in a thread of its own, one insert and one read',
    },
    peers: [
      bullmq,
      {
        contender: 'plainjob',
        name: withVersion('plainjob'),
        about: 'better-sqlite3 with its own synchronous NORMAL (os-cache), polled every millisecond',
        scenarios: SHARES,
      },
    ],
    publish: { count: 200_000, inFlight: 1_000 },
    large: { backlog: 4_000_000, runs: 3 },
    stop: () => redis.stop(),
  }
}
