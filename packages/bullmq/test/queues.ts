import * as bullmq6 from 'bullmq'
import * as bullmq5 from 'bullmq5'
import { Redis } from 'ioredis'
import { afterEach } from 'vitest'

/** Both versions have the same calls as far as the tests use them. */
export type Library = typeof bullmq6

/** The versions of BullMQ whose queues are moved. */
export const LIBRARIES: readonly (readonly [name: string, library: Library])[] = [
  ['BullMQ 5', bullmq5 as unknown as Library],
  ['BullMQ 6', bullmq6],
]

const releases: (() => unknown)[] = []

afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release()
})

/** Runs after the test, newest first. */
export function atEnd(release: () => unknown): void {
  releases.push(release)
}

let made = 0

/** A name that no other queue of this run has. */
export function newName(): string {
  return `emails-${process.pid}-${(made += 1)}`
}

/** How BullMQ connects. */
export function connectionOf(url: string): {
  readonly host: string
  readonly port: number
  readonly db: number
  readonly maxRetriesPerRequest: null
} {
  const { hostname, port, pathname } = new URL(url)
  return { host: hostname, port: Number(port), db: Number(pathname.slice(1) || 0), maxRetriesPerRequest: null }
}

/** A queue of BullMQ that is closed after the test. */
export function openQueue(library: Library, url: string, name: string): bullmq6.Queue {
  const queue = new library.Queue(name, { connection: connectionOf(url) })
  atEnd(() => closeReady(queue))
  return queue
}

/** A worker of BullMQ that is closed after the test, or before it by `closeReady`. */
export function openWorker(
  library: Library,
  { url, name, ...options }: Partial<bullmq6.WorkerOptions> & { readonly url: string; readonly name: string },
  process: (job: bullmq6.Job) => Promise<unknown>,
): bullmq6.Worker {
  const worker = new library.Worker(name, process, { ...options, connection: connectionOf(url) })
  atEnd(() => closeReady(worker))
  return worker
}

/** Closes what has connected: BullMQ leaves a rejection that nobody handles behind when it is closed while it still connects. */
export async function closeReady(queue: bullmq6.Queue | bullmq6.Worker): Promise<void> {
  await queue.waitUntilReady()
  await queue.close()
}

/** A bare connection that is closed after the test. */
export function openRedis(url: string): Redis {
  const redis = new Redis(url)
  atEnd(() => redis.disconnect())
  return redis
}
