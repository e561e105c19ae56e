import { expect, test } from 'vitest'
import { createGroupedWrites } from '../../src/bus/grouped-writes.ts'

/** Writes that wait until they are let go, and what was written. */
function slowly(answer: (jobs: readonly number[]) => string = (jobs) => jobs.join('')): {
  readonly calls: (readonly number[])[]
  readonly write: (jobs: readonly number[]) => Promise<string>
  readonly next: () => Promise<void>
} {
  const calls: (readonly number[])[] = []
  const open: (() => void)[] = []
  return {
    calls,
    async write(jobs) {
      calls.push(jobs)
      await new Promise<void>((resolve) => open.push(resolve))
      return answer(jobs)
    },
    async next() {
      await turn()
      open.shift()?.()
      await turn()
    },
  }
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

test('what comes while a write is under way goes out together in the next, in order', async () => {
  const { calls, write, next } = slowly()
  const grouped = createGroupedWrites({ write })
  const first = grouped(1)
  await turn()
  const others = [grouped(2), grouped(3)]
  await next()
  await next()
  expect(calls).toEqual([[1], [2, 3]])
  expect(await Promise.all([first, ...others])).toEqual(['1', '23', '23'])
})

test('what does not join what is before it waits for the next write, and so does what is too much', async () => {
  const { calls, write, next } = slowly()
  const grouped = createGroupedWrites({
    write,
    joins: (before, job) => before % 2 === job % 2,
    weightOf: (job) => (job > 100 ? 400 : 1),
  })
  const all = [2, 4, 1, 101, 103, 6].map((job) => grouped(job))
  for (let n = 0; n < 4; n += 1) await next()
  await Promise.all(all)
  expect(calls).toEqual([[2, 4], [1, 101], [103], [6]])
})

test('none fails for another: those that fail together are tried one by one', async () => {
  const tried: (readonly number[])[] = []
  const grouped = createGroupedWrites({
    async write(jobs: readonly number[]) {
      tried.push(jobs)
      if (jobs.includes(2)) throw new Error('two')
      return 'done'
    },
  })
  const ends = await Promise.allSettled([grouped(1), grouped(2), grouped(3)])
  expect(tried).toEqual([[1, 2, 3], [1], [2], [3]])
  expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(await grouped(4)).toBe('done')
})
