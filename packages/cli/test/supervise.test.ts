import type { ChildProcess } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createMillrace, defineTask } from '@millrace/core'
import { waitFor } from '@millrace/core/testing'
import { sqlite } from '@millrace/sqlite'
import { expect, test } from 'vitest'
import { millrace, project } from './command.ts'

const Nap = defineTask('nap')
const waiting = { timeoutMs: 120_000 }

/** Each nap notes when it begins and when it has ended. */
const NAPS = {
  'millrace.config.ts': `
import { appendFileSync } from 'node:fs'
import { defineConfig } from '@millrace/cli'
import { defineTask } from '@millrace/core'

const Nap = defineTask('nap')

export default defineConfig({
  name: 'naps',
  engine: 'sqlite:./naps.db',
  tasks: [Nap],
  subscriptions: async (millrace) => {
    await millrace.work(Nap, async (_input, { id }) => {
      appendFileSync('./naps', \`\${process.pid} begins \${id}\\n\`)
      await new Promise((resolve) => setTimeout(resolve, 50))
      appendFileSync('./naps', \`\${process.pid} ends \${id}\\n\`)
    })
  },
})
`,
}

interface Said {
  readonly ready?: string
  readonly event?: string
  readonly pid?: number
  readonly processes?: number
}

test('runs as many processes as tasks need, starts again what is killed, and lets all finish', async () => {
  const cwd = project(NAPS)
  await using store = createMillrace({ engine: sqlite(join(cwd, 'naps.db')) })
  await store.start()
  const naps = (what: string): string[] =>
    existsSync(join(cwd, 'naps'))
      ? readFileSync(join(cwd, 'naps'), 'utf8')
          .split('\n')
          .filter((line) => line.includes(what))
      : []
  const pids = (): Set<string> => new Set(naps('begins').map((line) => line.split(' ')[0] ?? ''))
  const said: Said[] = []
  let metrics = ''

  async function drive(child: ChildProcess): Promise<void> {
    await waitFor(() => said.some(({ ready }) => ready !== undefined), waiting)
    await store.enqueueMany(
      Nap,
      Array.from({ length: 5_000 }, () => undefined),
    )
    await waitFor(() => pids().size === 2, { ...waiting, what: 'two processes to work' })
    metrics = await (await fetch(`${said.find(({ ready }) => ready !== undefined)?.ready}/metrics`)).text()
    const [killed = ''] = pids()
    process.kill(Number(killed), 'SIGKILL')
    await waitFor(() => pids().size === 3, { ...waiting, what: 'another to have taken its place' })
    child.kill('SIGTERM')
  }

  let driven: Promise<void> | undefined
  const flags = ['--max', '2', '--concurrency', '2', '--max-wait', '50ms', '--port', '0', '--json']
  const supervisor = await millrace(['worker', ...flags], {
    cwd,
    onOutput(child, stdout) {
      const lines = stdout.slice(0, stdout.lastIndexOf('\n') + 1).split('\n')
      said.splice(0, said.length, ...lines.filter(Boolean).map((line) => JSON.parse(line) as Said))
      driven ??= drive(child)
    },
  })
  await driven

  expect(supervisor.code).toBe(0)
  expect(metrics).toMatch(/^millrace_workers_wanted\{name="naps"\} 2$/m)
  expect(metrics).toMatch(/^millrace_engine_up\b.* 1$/m)
  const events = said.map(({ event }) => event)
  expect(events.filter((event) => event === 'crashed')).toHaveLength(1)
  expect(events.filter((event) => event === 'started')).toHaveLength(3)
  expect(events.filter((event) => event === 'stopped')).toHaveLength(2)
  expect(said.find(({ event }) => event === 'scaled')).toMatchObject({ reason: 'growing' })
  // Only what was killed has begun without an end.
  const crashed = said.find(({ event }) => event === 'crashed')?.pid
  const open = new Set(naps('begins').map((line) => line.replace('begins', 'ends')))
  for (const line of naps('ends')) open.delete(line)
  expect([...open].filter((line) => !line.startsWith(`${crashed} `))).toEqual([])
  for (const { event, pid } of said) if (event === 'started') expect(isAlive(pid ?? 0)).toBe(false)
})

test('says what it cannot supervise', async () => {
  const cwd = project(NAPS)
  const bare = project({ 'millrace.config.ts': 'export default { engine: "sqlite:./a.db", subscriptions: () => {} }' })
  const refusals: readonly (readonly [cwd: string, args: readonly string[], reason: RegExp])[] = [
    [cwd, ['--concurrency', '3'], /give --max/],
    [cwd, ['--max', '0'], /whole number/],
    [cwd, ['--min', '3', '--max', '2'], /from 3 to 2/],
    [cwd, ['--max', '2', '--engine', 'memory:'], /share nothing/],
    [bare, ['--min', '0', '--max', '2'], /Name the queues/],
    [project(), ['--max', '2', '--engine', 'sqlite:./a.db'], /has no subscriptions/],
  ]
  for (const [folder, args, reason] of refusals) {
    const { code, stdout, stderr } = await millrace(['worker', ...args], { cwd: folder })
    expect([args, code, stdout, stderr]).toEqual([args, 2, '', expect.stringMatching(reason)])
  }
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
