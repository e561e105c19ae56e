import { expect, test } from 'vitest'
import { createCallQueue } from '../src/loop/call-queue.ts'
import type { Call } from '../src/loop/host.ts'

let lastId = 0

function call(name: string, records = 1): Call {
  return { id: ++lastId, name, input: { bodies: Array.from({ length: records }, () => '{}') } }
}

function queueOf(...calls: readonly Call[]): ReturnType<typeof createCallQueue> {
  const queue = createCallQueue()
  for (const each of calls) queue.push(each)
  return queue
}

test('progress goes before what waits longer, but not twice in a row', () => {
  const queue = queueOf(call('publish', 500), call('settle'), call('publish', 500), call('mark'))
  const names = (): string[] => queue.take().map(({ name }) => name)
  expect(names()).toEqual(['settle', 'mark'])
  queue.push(call('settle'))
  expect(names()).toEqual(['publish'])
  expect(names()).toEqual(['settle'])
  expect(names()).toEqual(['publish'])
  expect(names()).toEqual([])
  expect(queue.length).toBe(0)
})

test('everything else goes in its order, up to so many records at once, and a larger call alone', () => {
  const calls = [call('publish', 300), call('beat'), call('publish', 300), call('publish', 700), call('claim')]
  const queue = queueOf(...calls)
  expect([queue.take(), queue.take(), queue.take(), queue.take()]).toEqual([
    calls.slice(0, 2),
    calls.slice(2, 3),
    calls.slice(3, 4),
    calls.slice(4),
  ])
})

test('progress alone is one transaction', () => {
  const queue = queueOf(call('settle'), call('mark'))
  expect(queue.take()).toHaveLength(2)
  queue.push(call('settle'))
  expect(queue.take()).toHaveLength(1)
})
