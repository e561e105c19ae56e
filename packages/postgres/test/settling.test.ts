import type { PartitionProgress } from '@millrace/core/driver'
import { testRuntime } from '@millrace/core/testing'
import { describe, expect, test } from 'vitest'
import type { Database } from '../src/database/database.ts'
import { createSettleDesks, type SettleDesk } from '../src/driver/settling.ts'

const PROGRESS: PartitionProgress = {
  partition: 3,
  token: 7,
  settled: '0000000000000009',
  fetchedHigh: undefined,
  ahead: [],
  aheadCount: 0,
  attempts: [],
  newlySettled: 1,
}

describe('where progress goes', () => {
  test('by itself at once while nobody is about to fetch', async () => {
    const { desk, sent } = open()
    expect(await desk.settle([PROGRESS])).toEqual([5])
    expect(sent).toHaveLength(1)
  })

  test('with the next fetch while one is expected, which tells what is fenced', async () => {
    const { desk, sent } = open()
    desk.expect(true)
    const settled = desk.settle([PROGRESS])
    const passenger = desk.board()
    expect(JSON.parse(passenger?.rows ?? '')).toMatchObject([{ partition: 3, token: 7, settled: 9 }])
    expect(desk.board()).toBeUndefined()
    passenger?.arrived([3])
    expect(await settled).toEqual([3])
    expect(sent).toEqual([])
  })

  test('a fetch that fails fails it too', async () => {
    const { desk } = open()
    desk.expect(true)
    const settled = desk.settle([PROGRESS])
    desk.board()?.failed(new Error('gone'))
    await expect(settled).rejects.toThrow('gone')
  })

  test('by itself when the fetch does not come soon, or will not come at all', async () => {
    const { desk, sent, runtime } = open()
    desk.expect(true)
    const late = desk.settle([PROGRESS])
    await runtime.advance(10)
    expect(await late).toEqual([5])
    const left = desk.settle([PROGRESS])
    desk.expect(false)
    expect(await left).toEqual([5])
    await runtime.advance(1_000)
    expect(sent).toHaveLength(2)
  })

  test('by itself while other progress waits, and all who share a group share the desk', async () => {
    const { desk, sent, other } = open()
    other.expect(true)
    const first = desk.settle([PROGRESS])
    expect(await desk.settle([{ ...PROGRESS, partition: 4 }])).toEqual([5])
    expect(sent).toHaveLength(1)
    other.board()?.arrived([])
    expect(await first).toEqual([])
  })
})

function open(): {
  readonly desk: SettleDesk
  readonly other: SettleDesk
  readonly sent: readonly unknown[]
  readonly runtime: ReturnType<typeof testRuntime>
} {
  const sent: unknown[] = []
  const runtime = testRuntime()
  const database = {
    async first(_text: string, ...values: readonly unknown[]) {
      sent.push(values[2])
      return { fenced: [5] }
    },
  } as unknown as Database
  const desks = createSettleDesks(database, runtime)
  return { desk: desks.open('g', 't'), other: desks.open('g', 't'), sent, runtime }
}
