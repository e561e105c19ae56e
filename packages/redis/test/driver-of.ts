import type { Driver, Log, PublishRecord } from '@millrace/core/driver'
import { afterEach } from 'vitest'
import { systemRuntime } from '../../core/src/runtime/system-runtime.ts'
import { redis, type RedisOptions } from '../src/index.ts'

const releases: (() => unknown)[] = []

afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release()
})

/** Runs after the test, newest first. */
export function atEnd(release: () => unknown): void {
  releases.push(release)
}

/** A log that keeps its lines. */
export function keepingLog(): Log & { readonly lines: string[] } {
  const lines: string[] = []
  const keep = (message: string): void => void lines.push(message)
  return { lines, debug: () => {}, info: keep, warn: keep, error: keep }
}

/** A driver that is closed after the test; not connected yet. */
export function openDriver(options: string | RedisOptions, log?: Log): Driver {
  const driver = redis(options).open(systemRuntime(log === undefined ? {} : { log }))
  atEnd(() => driver.transport.close())
  return driver
}

/** A connected driver with a topic `order` of two partitions and a group `readers`. */
export async function connected(options: string | RedisOptions, log?: Log): Promise<Driver> {
  const driver = openDriver(options, log)
  await driver.transport.connect()
  await driver.transport.ensureTopic('order', { partitions: 2 })
  await driver.transport.ensureGroup('readers', ['order'], 'earliest')
  return driver
}

let made = 0

/** A record of its own. */
export function record(wish: Partial<PublishRecord> = {}): PublishRecord {
  made += 1
  const id = `event-${made}`
  const body = JSON.stringify({ specversion: '1.0', id, source: '/test', type: 'order.placed', data: made })
  return {
    topic: 'order',
    partition: 0,
    id,
    source: '/test',
    type: 'order.placed',
    key: 'k',
    correlationId: undefined,
    body,
    ...wish,
  }
}

/** What became of one record that is published. */
export async function publishOne(driver: Driver, wish: Partial<PublishRecord> = {}): Promise<string> {
  const [outcome] = await driver.transport.publish([record(wish)])
  if (outcome === undefined) return 'nothing'
  return 'error' in outcome
    ? `${outcome.outcome} ${'code' in outcome.error ? String(outcome.error.code) : outcome.error.message}`
    : outcome.outcome
}
