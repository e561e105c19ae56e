import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Summary } from '../src/read-models/summary.ts'
import { BROWSER, eventually } from './application.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

interface Running {
  readonly child: ChildProcess
  out(): string
  err(): string
  readonly exit: Promise<number | null>
}

let folder: string
const running: Running[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'site-analytics-'))
})
afterEach(async () => {
  for (const { child } of running) child.kill('SIGKILL')
  await Promise.all(running.splice(0).map(({ exit }) => exit))
  rmSync(folder, { recursive: true, force: true })
})

function run(script: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(process.execPath, ['--conditions=millrace-source', join(ROOT, script), ...args], {
    cwd: folder,
    env: { ...process.env, INIT_CWD: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, err] = ['', '']
  child.stdout.on('data', (text) => (out += String(text)))
  child.stderr.on('data', (text) => (err += String(text)))
  const exit = new Promise<number | null>((resolve) => child.on('close', resolve))
  const process_ = { child, out: () => out, err: () => err, exit }
  running.push(process_)
  return process_
}

async function ready(process_: Running): Promise<string> {
  const out = await eventually(
    () => ({ text: process_.out(), ended: process_.child.exitCode }),
    ({ text, ended }) => /^ready .*$/m.test(text) || ended !== null,
    120_000,
  )
  return /^ready (.*)$/m.exec(out.text)?.[1] ?? `nothing; stderr: ${process_.err()}`
}

async function logSummary(url: string): Promise<Summary> {
  return (await (await fetch(`${url}/apps/site-analytics/api/summary?view=log`)).json()) as Summary
}

const LINE =
  '192.0.2.1 - - [01/Jan/2024:10:00:01 +0000] "GET /here HTTP/1.1" 200 10 "-" "Mozilla/5.0 (X11) Firefox/143.0"\n'

describe('npm start', () => {
  it('serves the application, refuses a second on its port, stops at a signal and has forgotten nothing', async () => {
    const args = ['--port', '0', '--data', './data']
    const first = run('scripts/start.ts', args)
    const url = await ready(first)
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(first.out()).toBe(`ready ${url}\n`)
    const response = await fetch(`${url}/api/analytics/events`, {
      method: 'POST',
      headers: { 'user-agent': BROWSER },
      body: JSON.stringify({ type: 'page.viewed', data: { path: '/kept' } }),
    })
    expect(response.status).toBe(202)

    const second = run('scripts/start.ts', ['--port', new URL(url).port, '--data', './other'])
    expect(await second.exit).toBe(1)
    expect(second.err().trim().split('\n')).toHaveLength(1)
    expect(second.err()).toContain(new URL(url).port)

    first.child.kill('SIGTERM')
    expect(await first.exit).toBe(0)

    const third = run('scripts/start.ts', args)
    const again = await ready(third)
    const summary = await eventually(
      async () => (await (await fetch(`${again}/apps/site-analytics/api/summary`)).json()) as Summary,
      ({ pages }) => pages.length > 0,
    )
    expect(summary.pages).toMatchObject([{ name: '/kept', count: 1 }])
    third.child.kill('SIGINT')
    expect(await third.exit).toBe(0)
  })

  it.each([
    [['--prot', '1'], '--prot'],
    [['--port', 'x'], 'port x'],
    [['--engine', 'carrier-pigeon:coop'], 'carrier-pigeon:'],
    [['extra'], 'extra'],
  ])('refuses %j with one sentence and exit code 2', async (args, text) => {
    const refused = run('scripts/start.ts', args)
    expect(await refused.exit).toBe(2)
    expect(refused.out()).toBe('')
    expect(refused.err()).toContain(text)
    expect(refused.err().trim().split('\n')).toHaveLength(1)
  })
})

describe('as processes of their own', () => {
  it('web and worker share one engine, and the importer feeds both', async () => {
    const data = ['--data', './data']
    const web = run('apps/site-analytics/src/main.ts', ['--role', 'web', '--port', '0', ...data])
    const url = await ready(web)
    writeFileSync(join(folder, 'a.log'), LINE)
    const importing = run('apps/site-analytics/src/import.ts', ['a.log', '--json', ...data])
    expect(await importing.exit).toBe(0)
    expect(JSON.parse(importing.out())).toMatchObject({ lines: 1, events: 1, rejected: 0 })
    // Nobody handles events yet.
    expect((await logSummary(url)).totals.pages).toBe(0)
    const worker = run('apps/site-analytics/src/main.ts', ['--role', 'worker', ...data])
    expect(await ready(worker)).toBe('worker')
    await eventually(
      () => logSummary(url),
      ({ totals }) => totals.pages === 1,
    )
    for (const { child } of [web, worker]) child.kill('SIGTERM')
    expect([await web.exit, await worker.exit]).toEqual([0, 0])
  })

  it('a worker that is killed has lost and doubled nothing', async () => {
    const data = ['--data', './data']
    const web = run('apps/site-analytics/src/main.ts', ['--role', 'web', '--port', '0', ...data])
    const url = await ready(web)
    const doomed = run('apps/site-analytics/src/main.ts', ['--role', 'worker', ...data])
    await ready(doomed)
    const lines = Array.from({ length: 4_000 }, (_, index) =>
      LINE.replace('/here', `/p${index % 50}`).replace('192.0.2.1', `192.0.2.${index % 200}`),
    )
    writeFileSync(join(folder, 'b.log'), lines.join(''))
    const importing = run('apps/site-analytics/src/import.ts', ['b.log', '--json', ...data])
    await eventually(
      () => logSummary(url),
      ({ totals }) => totals.pages > 0,
      120_000,
    )
    doomed.child.kill('SIGKILL')
    expect(await importing.exit).toBe(0)
    const heir = run('apps/site-analytics/src/main.ts', ['--role', 'worker', ...data])
    await ready(heir)
    // Pages are counted by one group and visits by another, each at its own pace.
    const pagesOfVisits = ({ totals }: Summary): number => Math.round((totals.pagesAVisit ?? 0) * totals.visits)
    const seen = await eventually(
      () => logSummary(url),
      (summary) => summary.totals.pages >= 4_000 && pagesOfVisits(summary) >= 4_000,
      120_000,
    )
    expect([seen.totals.pages, pagesOfVisits(seen)]).toEqual([4_000, 4_000])
  })
})

describe('the importer', () => {
  it.each([
    [['nowhere.log'], 1],
    [[], 2],
    [['a', 'b'], 2],
    [['a.log', '--wrong'], 2],
  ])('ends %j with exit code %i', async (args, code) => {
    const importing = run('apps/site-analytics/src/import.ts', args)
    expect(await importing.exit).toBe(code)
    expect(importing.err()).not.toContain('    at ')
  })
})
