import { expect, test } from 'vitest'
import { checkHistory, type HistoryEntry, type Unstamped } from '../../src/testing.ts'

const place = { group: 'billing', topic: 'order', partition: 3 }
const event = { id: 'e1', key: 'k', position: '0000000000000026' }
const body = '{}'
const run = { ...place, ...event, kind: 'handle', phase: 'start', attempt: 1, generation: 0 } as const

/** What the checker says of an event that is handled at 100 ms, settled when the engine answers, and handled again at 9 s. */
function violationsOf({ settledAt, crashAt }: { settledAt: number; crashAt: number }): readonly string[] {
  const at = (time: number, entry: Unstamped, process = 'w1'): HistoryEntry => ({ at: time, process, ...entry })
  const settle = { kind: 'write', operation: 'settle', ...place, token: 1, accepted: true } as const
  const history = [
    at(0, { kind: 'publish', phase: 'invoke', id: event.id, type: 'order.placed' }),
    at(5, { kind: 'publish', phase: 'ok', id: event.id }),
    at(10, { kind: 'claim', ...place, token: 1, clean: true }),
    at(50, { ...run, run: 1 }),
    at(100, { kind: 'handle', phase: 'end', run: 1, outcome: 'done' }),
    at(settledAt, { ...settle, invokedAt: 110 }),
    at(crashAt, { kind: 'engine', phase: 'crash' }, 'server'),
    at(8_000, { kind: 'give-back', ...place, token: 1, clean: true }),
    at(8_100, { kind: 'claim', ...place, token: 2, clean: true }),
    at(9_000, { ...run, run: 2 }),
    at(9_010, { kind: 'handle', phase: 'end', run: 2, outcome: 'done' }),
  ]
  const stored = { ...event, type: 'order.placed', topic: 'order', partition: 3, body }
  const group = { group: 'billing', types: ['order.*'], ordering: 'key', attempts: 3, lag: 0, waiting: 0 } as const
  const { violations } = checkHistory(
    history.toSorted((a, b) => a.at - b.at),
    { events: [stored], letters: [], groups: [group] },
  )
  return violations.map(({ property }) => property)
}

test('a settle that an engine answered right before it went down may be forgotten', () => {
  expect(violationsOf({ settledAt: 120, crashAt: 500 })).toEqual([])
})

test('so may one that was answered long after the event was handled', () => {
  expect(violationsOf({ settledAt: 5_000, crashAt: 5_400 })).toEqual([])
})

test('one that was answered long before may not', () => {
  expect(violationsOf({ settledAt: 120, crashAt: 5_400 })).toEqual(['duplicate'])
})
