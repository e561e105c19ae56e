import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createAckTracker, type Tracked } from '../../src/bus/ack-tracker.ts'

const NOTHING = { settled: undefined, ahead: [], aheadCount: 0 }
const at = (seq: number): string => String(seq).padStart(6, '0')

describe('ack tracker', () => {
  it('moves the contiguous position only when the oldest is settled', () => {
    const tracker = createAckTracker(NOTHING)
    const entries = [1, 2, 3, 4].map((seq): Tracked => ({ position: at(seq), settled: false }))
    for (const entry of entries) tracker.accept(entry)
    for (const entry of [entries[1], entries[3]]) if (entry) tracker.settle(entry)
    expect(tracker.snapshot(10)).toEqual({
      settled: undefined,
      ahead: [
        [at(2), at(2)],
        [at(4), at(4)],
      ],
      aheadCount: 2,
    })
    if (entries[0]) tracker.settle(entries[0])
    expect(tracker.snapshot(10)).toEqual({ settled: at(2), ahead: [[at(4), at(4)]], aheadCount: 1 })
    expect(tracker.window).toBe(2)
  })

  it('keeps what an earlier owner settled ahead until it has come by again', () => {
    const tracker = createAckTracker({ settled: at(1), ahead: [[at(3), at(4)]], aheadCount: 2 })
    expect(tracker.wasSettled(at(2))).toBe(false)
    const second: Tracked = { position: at(2), settled: false }
    tracker.accept(second)
    expect(tracker.snapshot(10).ahead).toEqual([[at(3), at(4)]])
    for (const seq of [3, 4]) {
      expect(tracker.wasSettled(at(seq))).toBe(true)
      tracker.skip(at(seq))
    }
    tracker.settle(second)
    expect(tracker.snapshot(10)).toEqual({ settled: at(4), ahead: [], aheadCount: 0 })
    expect(tracker.settledCount).toBe(1)
  })

  it('stores at most the given number of ranges and nothing that is not settled', () => {
    const tracker = createAckTracker(NOTHING)
    const entries = Array.from({ length: 100 }, (_, seq): Tracked => ({ position: at(seq), settled: false }))
    for (const entry of entries) tracker.accept(entry)
    entries.forEach((entry, seq) => seq % 2 === 1 && tracker.settle(entry))
    const { ahead } = tracker.snapshot(5)
    expect(ahead).toHaveLength(5)
    for (const [from, to] of ahead) expect(from).toBe(to)
  })

  it('agrees with a plain set of settled positions, whatever the order and wherever it is handed over', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 39 }), { maxLength: 80 }),
        fc.nat(79),
        fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
        (order, handOver, skipped) => {
          const settled = new Set<number>()
          let tracker = createAckTracker(NOTHING)
          let entries = deliver(tracker, settled, skipped)
          order.forEach((seq, step) => {
            if (step === handOver) {
              tracker = createAckTracker(tracker.snapshot(1_000))
              entries = deliver(tracker, settled, skipped)
            }
            const entry = entries.get(seq)
            if (entry === undefined) return
            tracker.settle(entry)
            settled.add(seq)
          })
          const snapshot = tracker.snapshot(1_000)
          const contiguous = firstGap(settled)
          expect(snapshot.settled).toBe(contiguous === 0 ? undefined : at(contiguous - 1))
          const ahead = snapshot.ahead.flatMap(([from, to]) => span(Number(from), Number(to)))
          expect(ahead).toEqual([...settled].filter((seq) => seq > contiguous).sort((a, b) => a - b))
          expect(snapshot.aheadCount).toBe(ahead.length)
        },
      ),
      { numRuns: 500 },
    )
  })
})

/** Delivers 0..39 as a reader would: what was settled before or needs no handling is skipped. */
function deliver(
  tracker: ReturnType<typeof createAckTracker>,
  settled: Set<number>,
  skipped: readonly boolean[],
): Map<number, Tracked> {
  const entries = new Map<number, Tracked>()
  const from = tracker.snapshot(1).settled
  for (let seq = 0; seq < 40; seq += 1) {
    if (from !== undefined && at(seq) <= from) continue
    if (tracker.wasSettled(at(seq)) || skipped[seq]) {
      tracker.skip(at(seq))
      settled.add(seq)
      continue
    }
    const entry: Tracked = { position: at(seq), settled: false }
    tracker.accept(entry)
    entries.set(seq, entry)
  }
  return entries
}

function firstGap(settled: ReadonlySet<number>): number {
  let seq = 0
  while (settled.has(seq)) seq += 1
  return seq
}

function span(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, step) => from + step)
}
