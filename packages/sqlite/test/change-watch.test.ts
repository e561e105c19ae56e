import type { Timer } from '@millrace/core/driver'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { createStatements } from '../src/file/statements.ts'
import { createChangeWatch } from '../src/loop/change-watch.ts'
import type { Host } from '../src/loop/host.ts'
import { atEnd, connected, record, scratchFile } from './scratch.ts'
import { until } from './until.ts'

const ADD_EVENTS = 'UPDATE partitions SET head = head + 1 WHERE partition = 0'

test('the connection that writes is told of what others commit, not of its own commits', async () => {
  const { path, own, other } = await twoConnections()
  const told: (readonly string[])[] = []
  let look = (): void => undefined
  const host: Pick<Host, 'settings' | 'setTimer' | 'monotonic' | 'changed'> = {
    settings: { path, threads: false } as Host['settings'],
    setTimer(run): Timer {
      look = run
      return { cancel: () => undefined }
    },
    monotonic: () => 0,
    changed: (topics) => told.push(topics),
  }
  const watch = createChangeWatch(host as Host, createStatements(own))
  atEnd(watch.close)
  watch.count({ topic: 'order', by: 1 })
  own.exec(ADD_EVENTS)
  look()
  expect(told).toEqual([])
  other.exec(ADD_EVENTS)
  look()
  expect(told).toEqual([['order']])
  look()
  expect(told).toEqual([['order']])
})

test('after a hint, and after what was seen, it looks ever more seldom, until the slow look is as near', async () => {
  const { path, own, other } = await twoConnections()
  const told: (readonly string[])[] = []
  const pollEveryMs = 1_000_000
  let next: { readonly run: () => void; readonly ms: number } | undefined
  const host: Pick<Host, 'settings' | 'setTimer' | 'monotonic' | 'changed'> = {
    settings: { path, threads: true, pollEveryMs } as Host['settings'],
    setTimer(run, ms): Timer {
      if (ms !== pollEveryMs) next = { run, ms }
      return { cancel: () => (next = undefined) }
    },
    monotonic: () => 0,
    changed: (topics) => told.push(topics),
  }
  const watch = createChangeWatch(host as Host, createStatements(own))
  atEnd(watch.close)
  watch.count({ topic: 'order', by: 1 })
  other.exec(ADD_EVENTS)
  await until(() => next !== undefined)
  const distances: number[] = []
  while (next !== undefined) {
    const { run, ms } = next
    distances.push(ms)
    next = undefined
    run()
  }
  expect(told).toEqual([['order']])
  const doubled = Array.from({ length: 20 }, (_, power) => 2 ** power)
  expect(distances.slice(-22)).toEqual([0, 1, ...doubled])
})

test('what standing brings to a fetch that has been given up is there for the next one, and marked', async () => {
  const driver = await connected(scratchFile())
  const { transport, stores } = driver
  await transport.ensureGroup('g', ['order'], 'earliest')
  const { partitions: seen } = await stores.leases.observe('g')
  const place = { group: 'g', topic: 'order', partition: 0 }
  const expectedToken = seen.find(({ partition }) => partition === 0)?.token ?? 0
  const won = await stores.leases.claim({ ...place, member: 'm', expectedOwner: undefined, expectedToken })
  const partitions = [{ partition: 0, token: won?.token ?? 0, after: undefined }]
  const consumer = transport.consume({ topic: 'order', group: 'g', partitions })
  const stop = new AbortController()
  const given = consumer.fetch({ max: 10, mark: true, signal: stop.signal })
  // By the time that these have answered, the fetch stands.
  for (let round = 0; round < 3; round += 1) {
    await transport.list()
    await transport.ensureGroup('g', ['order'], 'earliest')
  }
  const published = transport.publish([record(1, { partition: 0 })])
  stop.abort()
  expect(await given).toEqual([])
  const [stored] = await published
  const records = await consumer.fetch({ max: 10, mark: true })
  expect(records).toMatchObject([stored?.outcome === 'stored' ? { position: stored.position } : {}])
  expect(consumer.marked?.(0)).toBe(records[0]?.position)
})

/** Two connections to one file of the engine's. */
async function twoConnections(): Promise<{
  readonly path: string
  readonly own: DatabaseSync
  readonly other: DatabaseSync
}> {
  const path = scratchFile()
  await connected(path)
  const [own, other] = [new DatabaseSync(path), new DatabaseSync(path)]
  atEnd(() => own.close())
  atEnd(() => other.close())
  return { path, own, other }
}
