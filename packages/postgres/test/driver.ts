import type { Driver, Log, PublishRecord, Runtime } from '@millrace/core/driver'
import { randomUUID } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { postgres, type PostgresOptions } from '../src/index.ts'
import { ask, freshSchema, testServer } from './test-server.ts'

/** What a driver said, line by line. */
export interface Said {
  readonly lines: string[]
}

/** Real clocks, and a log that is kept. */
export function loggingRuntime(said: Said = { lines: [] }): Runtime {
  const keep = (message: string): void => void said.lines.push(message)
  const log: Log = { debug: () => {}, info: keep, warn: keep, error: keep }
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    setTimer(run, ms) {
      const handle = setTimeout(run, ms)
      handle.unref()
      return { cancel: () => clearTimeout(handle) }
    },
    defer: (run) => void setImmediate(run),
    afterPromises: (run) => process.nextTick(run),
    random: () => Math.random(),
    id: () => randomUUID(),
    log,
  }
}

/** Opens a driver over a schema of its own on the server of this file, unless the options say otherwise; closed at the end. */
export async function openDriver(
  options: PostgresOptions = {},
  said?: Said,
): Promise<{ readonly driver: Driver; readonly url: string; readonly schema: string }> {
  const url = options.url ?? (await testServer()).url
  const schema = options.schema ?? freshSchema()
  const driver = postgres({ ...(options.pool === undefined ? { url } : {}), ...options, schema }).open(
    loggingRuntime(said),
  )
  onTestFinished(async () => {
    await driver.transport.close()
    if (options.url === undefined) await ask((await testServer()).url, `DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  })
  await driver.transport.connect()
  return { driver, url, schema }
}

let made = 0

/** A record with an id of its own. */
export function recordOf(topic: string, partition = 0, more: Partial<PublishRecord> = {}): PublishRecord {
  made += 1
  const id = more.id ?? `${randomUUID()}-${made}`
  const body = JSON.stringify({ specversion: '1.0', id, type: 'test.made', source: '/test', data: made })
  return {
    topic,
    partition,
    id,
    source: '/test',
    type: 'test.made',
    key: undefined,
    correlationId: undefined,
    body,
    ...more,
  }
}

/** Many of them, in turn over the partitions. */
export function recordsOf(topic: string, count: number, partitions = 1): PublishRecord[] {
  return Array.from({ length: count }, (_, at) => recordOf(topic, at % partitions))
}
