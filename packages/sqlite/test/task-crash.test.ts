import { createInterface } from 'node:readline'
import { settleOf } from '@millrace/core/testing'
import { expect, test } from 'vitest'
import { type Child, startChild } from './child.ts'
import { connected, scratchFile } from './scratch.ts'
import { claimedOf, exchange, tasksOf } from './tasks.ts'

async function linesOf(child: Child): Promise<string[]> {
  const lines: string[] = []
  for await (const line of createInterface({ input: child.process.stdout ?? process.stdin })) lines.push(line)
  return lines
}

function told(lines: readonly string[], what: string): string[] {
  return lines.filter((line) => line.startsWith(`${what} `)).map((line) => line.split(' ')[1] ?? '')
}

const POINTS = [
  'before-commit:9',
  'before-commit:25',
  'after-commit-before-reply:24',
  'mid-batch:11',
  'mid-checkpoint:1',
]

test.each(POINTS)(
  'killed at %s with an exchange under way, no task is lost and what runs is taken over',
  async (point) => {
    const path = scratchFile()
    const child = startChild('task-worker.ts', [path, 'a', '100'], { env: { MILLRACE_FAULT_POINT: point } })
    const lines = await linesOf(child)
    expect(await child.ended).toBe('SIGKILL')

    const driver = await connected(path)
    const { tasks } = tasksOf(driver)
    const stored = told(lines, 'stored')
    const before = await tasks.get(stored)
    expect(before).toHaveLength(stored.length)
    const done = new Set(told(lines, 'done'))
    expect(before.filter(({ id, state }) => done.has(id) && state !== 'done')).toEqual([])
    expect(await problems(driver)).toEqual([])

    const error = { code: 'worker_gone', message: 'gone', stack: undefined, fingerprint: 'gone' }
    const running = before.filter(({ state }) => state === 'running')
    for (const worker of await tasks.holders()) {
      while ((await tasks.reclaim({ worker, deadAfterCrashes: 3, error })) > 0);
    }
    expect(await tasks.holders()).toEqual([])
    const fenced = running.map(({ id, starts }) => settleOf({ id, starts }))
    const { settled } = await exchange(tasks, fenced, { worker: 'worker-a', limit: 0 })
    expect(settled).toEqual(fenced.map(() => 'fenced'))
    for (;;) {
      const claims = [{ queue: 'mail', names: ['mail.send'], limit: 50, suspects: 1 }]
      const taken = claimedOf(await tasks.exchange({ worker: 'other', settles: [], notes: [], claims }))
      if (taken.length === 0) break
      await exchange(
        tasks,
        taken.map((each) => settleOf(each)),
        { worker: 'other', limit: 0 },
      )
    }
    expect((await tasks.get(stored)).filter(({ state }) => state !== 'done')).toEqual([])
    expect(await problems(driver)).toEqual([])
  },
)

test('three processes share a queue with keys: every task is claimed once and done once', async () => {
  const path = scratchFile()
  const driver = await connected(path)
  const children = ['a', 'b', 'c'].map((name) => startChild('task-worker.ts', [path, name, '150']))
  const all = (await Promise.all(children.map(linesOf))).flat()
  for (const child of children) expect(await child.ended).toBe(0)
  expect(told(all, 'stored')).toHaveLength(450)
  const { tasks } = tasksOf(driver)
  const left = (await tasks.get(told(all, 'stored'))).filter(({ state }) => state !== 'done')
  // Whoever finds nothing to claim ends, though others may still hold places of keys.
  expect(left.every(({ state, key }) => (state === 'ready' || state === 'waiting') && key !== undefined)).toBe(true)
  expect(new Set(told(all, 'done')).size).toBe(450 - left.length)
  expect(told(all, 'done')).toHaveLength(450 - left.length)
  const claims = all.filter((line) => line.startsWith('claimed '))
  expect(new Set(claims).size).toBe(claims.length)
  expect(await problems(driver)).toEqual([])
})

async function problems({ diagnose }: Awaited<ReturnType<typeof connected>>): Promise<readonly unknown[]> {
  return (await diagnose({ verify: true })).filter(({ level }) => level === 'problem')
}
