import { expect, test } from 'vitest'
import { createGroupCommit, type GroupCommit, type GroupCommitOptions, type Timed } from '../../src/bus/group-commit.ts'
import { systemRuntime } from '../../src/runtime/system-runtime.ts'
import { testRuntime } from '../../src/testing.ts'

interface Letter extends Timed {
  readonly name: string
  readonly size?: number
  readonly alone?: boolean
  wanted?: boolean
}

/** A letter that has not been sent; nobody waits for it for a limited time. */
function letter(name: string, more: Partial<Letter> = {}): Letter {
  return { name, deadline: Infinity, sent: 0, isOver: false, ...more }
}

/** A group commit whose flushes wait until they are let go, and what it has sent so far. */
function letters(over: Partial<GroupCommitOptions<Letter>> = {}): {
  readonly commit: GroupCommit<Letter>
  readonly sent: readonly (readonly string[])[]
  letGo(): void
} {
  const sent: string[][] = []
  const held: (() => void)[] = []
  const commit: GroupCommit<Letter> = createGroupCommit<Letter>({
    runtime: systemRuntime(),
    timeoutMs: Infinity,
    expire: () => {},
    capabilities: () => ({ smallBatches: false }),
    charactersOf: ({ size = 1 }) => size,
    isAlone: ({ alone = false }) => alone,
    isWanted: ({ wanted = true }) => wanted,
    async flush(group) {
      sent.push(group.map(({ name }) => name))
      await new Promise<void>((resolve) => held.push(resolve))
      for (const one of group) if (!one.isOver) commit.finish(one)
      return true
    },
    ...over,
  })
  return {
    commit,
    sent,
    letGo: () => {
      for (const go of held.splice(0)) go()
    },
  }
}

/** When what was deferred so far has run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

test('what comes while two flushes are in flight goes out together', async () => {
  const { commit, sent, letGo } = letters()
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    commit.add(letter(name))
    await turn()
  }
  expect(sent).toEqual([['a'], ['b']])
  letGo()
  await turn()
  expect(sent).toEqual([['a'], ['b'], ['c', 'd', 'e']])
  letGo()
  await commit.idle()
  expect(commit.pending).toBe(0)
})

test('much that promises of one turn have added goes out before the event loop comes round, little when it does', async () => {
  for (const { count, before } of [
    { count: 64, before: [64] },
    { count: 63, before: [] },
  ]) {
    const { commit, sent, letGo } = letters()
    const sizes = (): readonly number[] => sent.map(({ length }) => length)
    let seen: readonly number[] | undefined
    setImmediate(() => (seen = sizes()))
    for (let n = 0; n < count; n += 1) void Promise.resolve().then(() => commit.add(letter(String(n))))
    await turn()
    expect(seen).toEqual(before)
    expect(sizes()).toEqual([count])
    letGo()
    await commit.idle()
  }
})

test('an engine that answers at once lets the event loop go on', async () => {
  let flushes = 0
  const { commit } = letters({
    async flush(group) {
      flushes += 1
      if (flushes < 100) for (let n = 0; n < 100; n += 1) commit.add(letter('next'))
      for (const one of group) commit.finish(one)
      return true
    },
  })
  for (let n = 0; n < 100; n += 1) commit.add(letter('first'))
  let turns = 0
  const count = (): void => {
    turns += 1
    if (flushes < 100) setImmediate(count)
  }
  setImmediate(count)
  await commit.idle()
  expect(flushes).toBe(100)
  expect(turns).toBeGreaterThan(40)
})

test('what goes out alone takes nobody with it, wherever it stood', async () => {
  const { commit, sent, letGo } = letters()
  commit.add(letter('a'))
  commit.add(letter('bad', { alone: true }))
  commit.add(letter('b'))
  await turn()
  expect(sent).toEqual([['bad'], ['a', 'b']])
  letGo()
  await commit.idle()
})

test('a group ends with the item that makes it too large', async () => {
  const { commit, sent, letGo } = letters()
  const size = 700_000
  for (const name of ['a', 'b', 'c']) commit.add(letter(name, { size }))
  await turn()
  expect(sent).toEqual([['a', 'b'], ['c']])
  letGo()
  await commit.idle()
})

test('what nobody wants any more is passed over', async () => {
  const { commit, sent, letGo } = letters()
  const unwanted = letter('a')
  commit.add(unwanted)
  commit.add(letter('b'))
  unwanted.wanted = false
  await turn()
  expect(sent).toEqual([['b']])
  commit.finish(unwanted)
  letGo()
  await commit.idle()
})

test('what goes out again still counts as pending', async () => {
  let failures = 1
  const sent: string[] = []
  const commit: GroupCommit<Letter> = createGroupCommit<Letter>({
    runtime: systemRuntime(),
    timeoutMs: Infinity,
    expire: () => {},
    capabilities: () => ({ smallBatches: false }),
    charactersOf: () => 1,
    isWanted: () => true,
    async flush(group) {
      for (const one of group) {
        sent.push(one.name)
        if (failures-- > 0) commit.again(one, 1)
        else commit.finish(one)
      }
      return true
    },
  })
  commit.add(letter('a'))
  expect(commit.pending).toBe(1)
  await commit.idle()
  expect(sent).toEqual(['a', 'a'])
})

test('one timer serves all that have a time limit, and ends those whose time is up wherever they are', async () => {
  const runtime = testRuntime()
  const over: string[] = []
  const expire = (late: readonly Letter[]): void => void over.push(...late.map(({ name }) => name))
  const { commit, sent, letGo } = letters({ runtime, timeoutMs: 100, expire })
  for (const name of ['a', 'b', 'c', 'd']) {
    commit.add(letter(name, { deadline: runtime.monotonic() + 100 }))
    await runtime.advance(10)
  }
  expect(sent).toEqual([['a'], ['b']])
  expect(runtime.pendingTimers).toBe(1)
  await runtime.advance(60)
  expect(over).toEqual(['a'])
  await runtime.advance(60)
  expect(over).toEqual(['a', 'b', 'c', 'd'])
  // What is under way keeps its place until the engine lets go of it.
  expect(commit.pending).toBe(2)
  letGo()
  await runtime.advance(0)
  expect(commit.pending).toBe(0)
  expect(sent).toEqual([['a'], ['b']])
  await runtime.advance(1_000)
  expect(runtime.pendingTimers).toBe(0)
})

test('what stands in a line that moves is not late, and has its whole time once it goes out', async () => {
  const runtime = testRuntime()
  const over: string[] = []
  const expire = (late: readonly Letter[]): void => void over.push(...late.map(({ name }) => name))
  const { commit, sent, letGo } = letters({ runtime, timeoutMs: 100, expire, isAlone: () => true })
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) commit.add(letter(name, { deadline: 100 }))
  await runtime.advance(80)
  letGo()
  await runtime.advance(80)
  letGo()
  await runtime.advance(80)
  expect(sent).toEqual([['a'], ['b'], ['c'], ['d'], ['e'], ['f']])
  expect(over).toEqual([])
  await runtime.advance(30)
  expect(over).toEqual(['e', 'f'])
})
