import type { Timer } from '@millrace/core/driver'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { createStatements } from '../src/file/statements.ts'
import { createChangeWatch } from '../src/loop/change-watch.ts'
import type { Host } from '../src/loop/host.ts'
import { atEnd, connected, record, scratchFile } from './scratch.ts'
import { until } from './until.ts'

const POLL_EVERY_MS = 1_000_000
/** Between one look in vain and the next, up to the slow look. */
const DISTANCES = [0, 1, ...Array.from({ length: 20 }, (_, power) => 2 ** power)]
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
  const { watch, other, told, looks } = await watched()
  watch.count({ topic: 'order', by: 1 })
  looks.toTheEnd()
  other.exec(ADD_EVENTS)
  await until(looks.areDue)
  const distances = looks.toTheEnd()
  expect(told).toEqual([['order']])
  expect(distances.slice(-DISTANCES.length)).toEqual(DISTANCES)
})

test('a commit that was written before the watch began, and is visible later, is seen without a hint', async () => {
  const { watch, other, told, looks } = await watched()
  watch.count({ topic: 'order', by: 1 })
  // In one turn of the event loop: the watch of the file tells nothing.
  looks.next()
  looks.next()
  other.exec(ADD_EVENTS)
  expect(told).toEqual([])
  expect(looks.toTheEnd().slice(-DISTANCES.length)).toEqual(DISTANCES)
  expect(told).toEqual([['order']])
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

/** A watch on a file that has changed on another connection, with its looks taken one by one. */
async function watched() {
  const { path, own, other } = await twoConnections()
  const told: (readonly string[])[] = []
  let due: { readonly run: () => void; readonly ms: number } | undefined
  const host: Pick<Host, 'settings' | 'setTimer' | 'monotonic' | 'changed'> = {
    settings: { path, threads: true, pollEveryMs: POLL_EVERY_MS } as Host['settings'],
    setTimer(run, ms): Timer {
      if (ms !== POLL_EVERY_MS) due = { run, ms }
      return { cancel: () => (due = undefined) }
    },
    monotonic: () => 0,
    changed: (topics) => told.push(topics),
  }
  const watch = createChangeWatch(host as Host, createStatements(own))
  atEnd(watch.close)
  const next = (): number | undefined => {
    const look = due
    due = undefined
    look?.run()
    return look?.ms
  }
  const toTheEnd = (): number[] => {
    const distances: number[] = []
    for (let ms = next(); ms !== undefined; ms = next()) distances.push(ms)
    return distances
  }
  return { watch, other, told, looks: { next, toTheEnd, areDue: () => due !== undefined } }
}

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
