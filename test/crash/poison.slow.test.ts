import { describe, expect, it } from 'vitest'
import { createMillrace } from '@millrace/core'
import { waitFor } from '@millrace/core/testing'
import { crashEngine } from './crash-engine.ts'
import { CRASH_GROUNDS } from './engines.ts'
import { KEYS, LEASE_MS, OrderPlaced, TOPICS, treatmentOf } from './events.ts'
import { openPlace } from './place.ts'
import { readHistories } from './history-file.ts'
import { createSupervisor } from './supervisor.ts'

const EVENTS = 1_000
/** In the crowd once, alone twice. */
const MOST_DEATHS = 3

describe.each(CRASH_GROUNDS)('an event that ends the process which handles it on $name', ({ start }) => {
  it('is found within three deaths, and its neighbours are handled', { timeout: 540_000 }, async () => {
    await using place = await openPlace('poison', start)
    const { url, histories } = place
    await using millrace = createMillrace({
      name: 'poison',
      engine: await crashEngine(url),
      leaseMs: LEASE_MS,
      topics: TOPICS,
    })
    const plain = Array.from({ length: EVENTS * 2 }, (_, n) => n).filter((n) => treatmentOf(n, 1).does === 'work')
    const numbers = plain.slice(0, EVENTS)
    const poison = numbers[EVENTS / 2] ?? 0
    const events = numbers.map((n) => OrderPlaced.create({ n, key: `k${n % KEYS}` }))
    for (let at = 0; at < events.length; at += 500) await millrace.publishBatch(events.slice(at, at + 500))

    const supervisor = createSupervisor({ engine: url, histories })
    try {
      await waitFor(
        async () => {
          if (supervisor.workers.size === 0) supervisor.start({ publishEveryMs: 0, poison, groups: ['billing'] })
          const billing = (await millrace.groups()).find(({ group }) => group === 'billing')
          return billing !== undefined && billing.lag === 0
        },
        { timeoutMs: 450_000, everyMs: 100, what: 'the group to get past the poison' },
      )
      const letters = await millrace.deadLetters.list({ limit: 1_000 })
      expect(letters.map(({ eventId, error }) => [eventId, error.code])).toEqual([
        [events[EVENTS / 2]?.id, 'handler_killed_process'],
      ])
      expect(supervisor.kills).toBeLessThanOrEqual(MOST_DEATHS)
      const done = new Set<string>()
      const running = new Map<string, string>()
      for (const entry of readHistories(histories)) {
        if (entry.kind !== 'handle') continue
        const run = `${entry.process} ${entry.run}`
        if (entry.phase === 'start') running.set(run, entry.id)
        else if (entry.outcome === 'done') done.add(running.get(run) ?? '')
      }
      expect(done.size).toBe(EVENTS - 1)
    } finally {
      await supervisor.endAll()
    }
  })
})
