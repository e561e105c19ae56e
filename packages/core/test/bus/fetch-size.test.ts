import { expect, test } from 'vitest'
import { createFetchSize } from '../../src/bus/fetch-size.ts'

const records = (count: number, characters: number): { body: string }[] =>
  Array.from({ length: count }, () => ({ body: 'x'.repeat(characters) }))

test('asks for many small events, and for few large ones', () => {
  const size = createFetchSize()
  expect(size.records).toBeLessThan(100)
  size.learn(records(64, 600))
  expect(size.records).toBe(400)
  size.learn(records(4, 256 * 1024))
  expect(size.records).toBe(16)
  for (let times = 0; times < 100; times += 1) size.learn(records(16, 600))
  expect(size.records).toBe(400)
})

test('asks for one at a time in the end when fetches fail, and grows again with what comes', () => {
  const size = createFetchSize()
  for (let times = 0; times < 10; times += 1) size.shrink()
  expect(size.records).toBe(1)
  size.learn(records(1, 8 * 1024 * 1024))
  expect(size.records).toBe(1)
  size.learn([])
  expect(size.records).toBe(1)
})
