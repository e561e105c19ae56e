import { expect, test } from 'vitest'
import { createDeadlineWatch } from '../../src/bus/deadline-watch.ts'
import { testRuntime } from '../../src/testing.ts'

/** A watch over deadlines, on a clock that can jump over its timers as that of a process that stood still. */
function watched(): {
  readonly ended: readonly (readonly [deadline: number, at: number])[]
  add(deadline: number): void
  remove(deadline: number): void
  advance(ms: number): Promise<void>
  standStill(ms: number): void
} {
  const runtime = testRuntime()
  const deadlines = new Set<number>()
  const ended: (readonly [number, number])[] = []
  let skipped = 0
  const monotonic = (): number => runtime.monotonic() + skipped
  const watch = createDeadlineWatch({
    runtime: { ...runtime, monotonic },
    look: (now) => {
      for (const deadline of deadlines) {
        if (deadline > now) continue
        deadlines.delete(deadline)
        ended.push([deadline, now])
      }
      return Math.min(...deadlines)
    },
  })
  return {
    ended,
    add: (deadline) => {
      deadlines.add(deadline)
      watch.by(deadline)
    },
    remove: (deadline) => void deadlines.delete(deadline),
    advance: runtime.advance,
    standStill: (ms) => void (skipped += ms),
  }
}

test('each ends at its time, whatever the order in which they are told', async () => {
  const watch = watched()
  for (const deadline of [300, 100, 200]) watch.add(deadline)
  await watch.advance(1_000)
  expect(watch.ended).toEqual([
    [100, 100],
    [200, 200],
    [300, 300],
  ])
})

test('those close together share a look', async () => {
  const watch = watched()
  for (const deadline of [100, 101, 102, 103]) watch.add(deadline)
  await watch.advance(1_000)
  expect(watch.ended).toEqual([
    [100, 100],
    [101, 125],
    [102, 125],
    [103, 125],
  ])
})

test('what has ended well meanwhile costs one look in vain', async () => {
  const watch = watched()
  watch.add(100)
  watch.remove(100)
  await watch.advance(150)
  expect(watch.ended).toEqual([])
  watch.add(200)
  await watch.advance(100)
  expect(watch.ended).toEqual([[200, 200]])
})

test('a process that stood still hears first what came meanwhile', async () => {
  const watch = watched()
  watch.add(100)
  watch.add(150)
  watch.standStill(5_000)
  await watch.advance(100)
  expect(watch.ended).toEqual([])
  watch.remove(100)
  await watch.advance(100)
  expect(watch.ended).toEqual([[150, 5_150]])
})
