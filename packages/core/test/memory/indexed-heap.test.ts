import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createIndexedHeap } from '../../src/memory/tasks/indexed-heap.ts'

interface Item {
  readonly value: number
  index: number
}

const heapOfItems = (): ReturnType<typeof createIndexedHeap<Item>> =>
  createIndexedHeap<Item>({
    isBefore: (one, other) => one.value < other.value,
    indexOf: ({ index }) => index,
    setIndex: (item, at) => void (item.index = at),
  })

test('gives the smallest first, whatever was taken from the middle', () => {
  const step = fc.record({ value: fc.integer({ min: 0, max: 50 }), remove: fc.nat() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const heap = heapOfItems()
      const inside: Item[] = []
      for (const { value, remove } of steps) {
        const item = { value, index: -1 }
        heap.push(item)
        inside.push(item)
        const [taken] = remove % 3 === 0 ? inside.splice(remove % inside.length, 1) : []
        if (taken !== undefined) heap.remove(taken)
        expect(heap.peek()?.value).toBe(inside.length === 0 ? undefined : Math.min(...inside.map((each) => each.value)))
      }
      const popped = inside.map(() => heap.pop()?.value)
      expect(popped).toEqual(inside.map((each) => each.value).toSorted((a, b) => a - b))
      expect([heap.size, heap.pop(), inside.every(({ index }) => index === -1)]).toEqual([0, undefined, true])
    }),
  )
})

test('visits only what lies above a bound, and its edge', () => {
  const heap = heapOfItems()
  for (let value = 0; value < 1_000; value += 1) heap.push({ value: (value * 7_919) % 1_000, index: -1 })
  const seen: number[] = []
  heap.scan(({ value }) => seen.push(value) > 0 && value < 20)
  expect(seen.filter((value) => value < 20).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: 20 }, (_, at) => at),
  )
  expect(seen.length).toBeLessThan(45)
  expect(Math.min(...seen.filter((value) => value >= 20))).toBe(20)
})
