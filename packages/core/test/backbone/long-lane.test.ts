import { expect, test } from 'vitest'
import type { Engine } from '../../src/driver.ts'
import { createMillrace, retry } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'
import { testRuntime } from '../../src/testing.ts'
import { changed } from '../changed-engine.ts'
import { OrderPlaced } from './order-placed.ts'

interface Asked {
  /** Looks for what is due. */
  due: number
  /** For all keys that the lane has. */
  allKeys: number
  counts: number
}

/** An engine that counts what its side lane is asked. */
function counted(asked: Asked): Engine {
  return changed(memory(), ({ stores: { lane } }) => ({
    lane: {
      due(query) {
        asked.due += 1
        return lane.due(query)
      },
      keys(query) {
        if (query.only === undefined) asked.allKeys += 1
        return lane.keys(query)
      },
      counts(group) {
        asked.counts += 1
        return lane.counts(group)
      },
    },
  }))
}

test('what a look into a long side lane asks for does not grow with it', async () => {
  const runtime = testRuntime(5)
  const asked: Asked = { due: 0, allKeys: 0, counts: 0 }
  const millrace = createMillrace({ engine: counted(asked), runtime, topics: { order: { partitions: 1 } } })
  const events = 4_000
  const handled: string[] = []
  let failed = false
  const subscribing = millrace.subscribe(
    OrderPlaced,
    ({ id }) => {
      if (!failed) {
        failed = true
        return retry({ after: 10_000 })
      }
      handled.push(id)
      return undefined
    },
    { group: 'g' },
  )
  await runtime.advance(1_000)
  await subscribing
  const made = Array.from({ length: events }, () => OrderPlaced.create({ orderId: 'hot' }))
  for (let at = 0; at < events; at += 500) void millrace.publishBatch(made.slice(at, at + 500))
  await runtime.advance(9_000)
  expect(handled).toEqual([])
  const before = { ...asked }
  const started = runtime.monotonic()
  await runtime.advanceUntil(() => handled.length === events)
  expect(handled).toEqual(made.map(({ id }) => id))
  const seconds = Math.ceil((runtime.monotonic() - started) / 1_000)
  expect(asked.due - before.due).toBeGreaterThanOrEqual(events / 200)
  expect(asked.allKeys - before.allKeys).toBeLessThanOrEqual(seconds + 1)
  expect(asked.counts).toBe(0)
  const closing = millrace.close()
  await runtime.advance(1_000)
  await closing
})
