import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { json, millrace, project } from './command.ts'

const REPORTS = {
  'millrace.config.ts': `
import { defineTask } from '@millrace/core'
import { defineConfig } from '@millrace/cli'
import { z } from 'zod'

const BuildReport = defineTask('report.build', {
  input: z.object({ month: z.string() }),
  output: z.object({ pages: z.number() }),
  attempts: 1,
})

export default defineConfig({
  name: 'reports',
  engine: 'sqlite:./reports.db',
  tasks: [BuildReport],
  subscriptions: async (millrace) => {
    await millrace.work(BuildReport, async ({ month }, task) => {
      task.log('building ' + month)
      if (month === 'never') throw new Error('there is no such month')
      return { pages: month.length }
    })
  },
})
`,
}

test('adds tasks, says why they wait, changes them, and removes them', async () => {
  const cwd = project(REPORTS)
  const added = await millrace(['tasks', 'add', 'report.build', '{"month":"2026-01"}', '--id', 'r-1'], { cwd })
  expect(added).toMatchObject({ code: 0, stdout: 'added r-1\n', stderr: '' })
  const refused = await millrace(['tasks', 'add', 'report.build', '{"month":1}', '--json'], { cwd })
  expect([refused.code, JSON.parse(refused.stderr).error.code]).toEqual([1, 'task_input_invalid'])
  await millrace(['tasks', 'add', 'report.build', '{"month":"2026-02"}', '--id', 'r-2', '--delay', '1h'], { cwd })
  const misspelt = await millrace(['tasks', 'add', 'reprot.build', '--id', 'typo'], { cwd })
  expect(misspelt).toMatchObject({ code: 0, stderr: expect.stringContaining('Did you mean report.build?') })
  for (const action of ['cancel', 'discard']) await millrace(['tasks', action, 'typo'], { cwd })
  await millrace(['queues', 'rm', 'reprot.build'], { cwd })

  const shown = await millrace(['tasks', 'show', 'r-1'], { cwd })
  expect(shown.stdout).toMatch(/why +No living worker knows tasks of the name "report.build"/)
  expect(await json(['tasks', 'ls', '--state', 'delayed'], { cwd })).toMatchObject([{ id: 'r-2', delayedBy: 'delay' }])
  const table = await millrace(['tasks', 'ls'], { cwd })
  expect(table.stdout).toMatch(/^ID +NAME +QUEUE +STATE/)
  expect(await json(['queues', 'ls'], { cwd })).toMatchObject([
    { name: 'report.build', withoutWorker: ['report.build'] },
  ])

  const which = await millrace(['tasks', 'cancel'], { cwd })
  expect([which.code, which.stderr]).toEqual([2, expect.stringContaining('Which tasks?')])
  const dry = await millrace(['tasks', 'cancel', '--queue', 'report.build', '--dry-run'], { cwd })
  expect(dry.stdout.split('\n').filter(Boolean).sort()).toEqual(['r-1', 'r-2'])
  await millrace(['tasks', 'prioritise', 'r-2', '--to', 'high'], { cwd })
  await millrace(['tasks', 'retry', 'r-2'], { cwd })
  expect(await json(['tasks', 'show', 'r-2'], { cwd })).toMatchObject({ state: 'ready', priority: 'high' })
  await millrace(['tasks', 'cancel', '--all'], { cwd })
  const gone = await millrace(['tasks', 'discard', 'r-1', 'r-2', 'r-3'], { cwd })
  expect([gone.code, gone.stdout]).toEqual([1, 'removed: 2 tasks\n'])
  expect(gone.stderr).toContain('r-3 is gone')
})

test('a task is added with rules of its own, and those that cannot be are refused before anything is opened', async () => {
  const cwd = project(REPORTS)
  const add = (...flags: readonly string[]) => millrace(['tasks', 'add', 'report.build', MONTH, ...flags], { cwd })
  for (const [flags, why] of REFUSED) {
    const { code, stderr } = await add(...flags)
    expect([flags, code, stderr]).toEqual([flags, 2, expect.stringContaining(why)])
  }
  expect(existsSync(join(cwd, 'reports.db'))).toBe(false)
  const machine = await add('--attempts', '0', '--json')
  expect([machine.code, JSON.parse(machine.stderr).error]).toEqual([
    2,
    { code: 'request_invalid', message: expect.stringContaining('from 1 to 1000000') },
  ])
  const backoff = await add('--backoff', '{"type":"fixed","delay":-1}')
  expect([backoff.code, backoff.stderr]).toEqual([2, expect.stringContaining('"backoff.delay"')])

  const until = new Date(Date.now() + 86_400_000).toISOString()
  await add('--id', 'a', '--expires', until, '--correlation', 'flow-1', '--dedupe', 'x', '--dedupe-mode', 'replace')
  const shown = await json<{ readonly expiresAt: string }>(['tasks', 'show', 'a'], { cwd })
  expect(shown).toMatchObject({ dedupeKey: 'x', metadata: { correlationId: 'flow-1' } })
  expect(Math.abs(Date.parse(shown.expiresAt) - Date.parse(until))).toBeLessThan(60_000)
  const same = await add('--id', 'b', '--dedupe', 'x', '--dedupe-window', '1h', '--expires', '2h')
  expect(same).toMatchObject({ code: 0, stdout: 'held by a\n' })
})

const MONTH = '{"month":"2026-01"}'
const REFUSED: readonly (readonly [flags: readonly string[], why: string])[] = [
  [['--expires', 'soon'], '--expires "soon" is no time'],
  [['--expires', '2020-01-01'], '--expires 2020-01-01 has passed'],
  [['--attempts', '0'], 'from 1 to 1000000'],
  [['--timeout', '-1s'], 'a span of time'],
  [['--backoff', 'often'], 'not valid JSON'],
  [['--delay', '1h', '--at', '2100-01-01'], 'one of --delay and --at'],
  [['--dedupe-mode', 'replace'], 'belong to --dedupe KEY'],
  [['--dedupe', 'x', '--dedupe-mode', 'last'], 'Allowed choices are keep, replace, debounce'],
  [['--dedupe', 'x', '--dedupe-until', 'end', '--dedupe-window', '1h'], 'one of --dedupe-until and --dedupe-window'],
]

test('a worker runs them, and its results and failures are to be seen', async () => {
  const cwd = project(REPORTS)
  let asked: Promise<unknown> | undefined
  const answers: string[] = []
  const worker = await millrace(['worker'], {
    cwd,
    onOutput(child, stdout) {
      if (!stdout.includes('ready')) return
      asked ??= (async () => {
        const wait = ['--wait', '60s']
        const good = await millrace(['tasks', 'add', 'report.build', '{"month":"2026-01"}', '--id', 'g', ...wait], {
          cwd,
        })
        const twice = ['--attempts', '2', '--backoff', '{"delay":0}']
        const never = ['tasks', 'add', 'report.build', '{"month":"never"}', '--id', 'b', ...twice, ...wait]
        const bad = await millrace(never, { cwd })
        answers.push(good.stdout, bad.stderr)
        child.kill('SIGTERM')
      })()
    },
  })
  await asked
  expect(worker.code).toBe(0)
  expect(answers).toEqual(['{"pages":7}\n', expect.stringContaining('there is no such month')])
  expect(await json(['tasks', 'show', 'g', '--logs'], { cwd })).toMatchObject({
    state: 'done',
    logs: ['building 2026-01'],
  })
  expect(await json(['dlq', 'ls'], { cwd })).toMatchObject([
    { group: 'queue:report.build', topic: 'report.build', attempts: 2 },
  ])
})

test('a queue that is full is marked, beside whether it is paused', async () => {
  const cwd = project(REPORTS)
  const stateNow = async (): Promise<string | undefined> =>
    /^report\.build +(.*?) +1 /m.exec((await millrace(['queues', 'ls'], { cwd })).stdout)?.[1]
  await millrace(['tasks', 'add', 'report.build', '{"month":"2026-01"}'], { cwd })
  expect(await stateNow()).toBe('open')
  await millrace(['queues', 'change', 'report.build', '{"maxWaiting":1}'], { cwd })
  expect(await stateNow()).toBe('full')
  await millrace(['queues', 'pause', 'report.build'], { cwd })
  expect(await stateNow()).toBe('paused, full')
})

test('queues are paused, changed and restored; schedules are stored, looked ahead, skipped and removed', async () => {
  const cwd = project(REPORTS)
  await millrace(['tasks', 'add', 'report.build', '{"month":"2026-01"}'], { cwd })
  expect((await millrace(['queues', 'pause', 'report.build'], { cwd })).stdout).toBe('report.build is paused\n')
  expect((await millrace(['queues', 'resume', 'report.build'], { cwd })).stdout).toBe('report.build is open\n')
  const changed = await millrace(['queues', 'change', 'report.build', '{"concurrency":2}'], { cwd })
  expect(changed.stdout).toBe('report.build has {"concurrency":2}\n')
  expect((await millrace(['queues', 'change', 'report.build'], { cwd })).stdout).toBe('report.build has {}\n')
  expect((await millrace(['queues', 'rm', 'report.build'], { cwd })).code).toBe(1)

  const input = ['--input', '{"month":"2026-01"}']
  const cron = ['--cron', '0 2 * * *', '--time-zone', 'Europe/Berlin', ...input]
  const put = await millrace(['schedules', 'put', 'nightly', 'report.build', ...cron], { cwd })
  expect(put.stdout).toMatch(/^nightly fires next at \d{4}-/)
  const { next } = await json<{ next: readonly string[] }>(['schedules', 'show', 'nightly'], { cwd })
  expect(next).toHaveLength(5)
  expect(await json(['schedules', 'skip', 'nightly'], { cwd })).toMatchObject({ nextAt: next[1] })
  expect((await millrace(['schedules', 'pause', 'nightly'], { cwd })).stdout).toBe('nightly is paused\n')
  expect((await millrace(['schedules', 'resume', 'nightly'], { cwd })).stdout).toMatch(/fires next/)
  expect((await millrace(['schedules', 'run', 'nightly'], { cwd })).stdout).toMatch(/^added /)
  expect((await millrace(['schedules', 'ls'], { cwd })).stdout).toMatch(/nightly +0 2 \* \* \* \(Europe\/Berlin\)/)
  expect((await millrace(['schedules', 'rm', 'nightly'], { cwd })).code).toBe(0)
  const rules = ['--ends', '2100-01-02', '--limit', '3', '--no-overlap', '--missed', 'skip', '--from', '2026-01-01']
  const each = ['--priority', 'high', '--key', 'k', '--expires', '2h']
  await millrace(['schedules', 'put', 'hourly', 'report.build', '--every', '1h', ...input, ...rules, ...each], { cwd })
  expect(await json(['schedules', 'show', 'hourly'], { cwd })).toMatchObject({
    rule: { every: 3_600_000, from: '2026-01-01T00:00:00.000Z' },
    ends: '2100-01-02T00:00:00.000Z',
    ...{ limit: 3, noOverlap: true, missed: 'skip' },
    options: { priority: 'high', key: 'k', expiresAfter: 7_200_000 },
  })
  const wrong = await millrace(['schedules', 'put', 'odd', 'report.build', '--at', '2100-01-02', '--from', '1d'], {
    cwd,
  })
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('--from belongs to --every')])
  const never = await millrace(['schedules', 'put', 'odd', 'report.build', '--cron', '0 0 31 2 *', ...input], { cwd })
  expect([never.code, never.stderr]).toEqual([2, expect.stringContaining('never fires')])
})
