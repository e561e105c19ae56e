import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { createMillrace, defineEvent } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'
import { until } from '../until.ts'

it('tells the store channel of every call of the engine, and of none that only waits', async () => {
  const Pinged = defineEvent('ping.sent', { schema: z.object({}) })
  const seen: { millrace: string; operation: string; failed: boolean; durationMs: number }[] = []
  const listener = (message: unknown): void => void seen.push(message as (typeof seen)[number])
  subscribe('millrace:store', listener)
  const millrace = createMillrace({ name: 'observed', engine: memory() })
  try {
    let handled = 0
    await millrace.subscribe(Pinged, () => void (handled += 1), { group: 'pings' })
    await millrace.publish(Pinged, {})
    await until(() => handled === 1)
    await until(() => seen.some(({ operation }) => operation === 'settle'))
    await expect(millrace.read({ topics: ['nowhere'] })).rejects.toMatchObject({ code: 'topic_unknown' })
  } finally {
    unsubscribe('millrace:store', listener)
    await millrace.close()
  }
  const ours = seen.filter(({ millrace: name }) => name === 'observed')
  const operations = new Set(ours.map(({ operation }) => operation))
  for (const operation of [
    'connect',
    'ensureTopic',
    'ensureGroup',
    'publish',
    'settle',
    'lease.join',
    'lease.claim',
    'lane.keys',
  ])
    expect(operations).toContain(operation)
  expect(operations).not.toContain('fetch')
  expect(ours.every(({ durationMs }) => durationMs >= 0)).toBe(true)
})
