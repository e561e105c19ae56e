import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { waitFor } from '@millrace/core/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { supervise, type SuperviseOptions, type Supervisor, type SupervisorEvent } from '../../src/index.ts'

const module = new URL('./child.ts', import.meta.url)
const waiting = { timeoutMs: 60_000 }
const supervisors: Supervisor[] = []
const others: ChildProcess[] = []
let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-supervise-'))
  writeFileSync(join(folder, 'notes'), '')
  say({ utilisation: 0.9 })
})

afterEach(async () => {
  await Promise.all(supervisors.splice(0).map((supervisor) => supervisor.stop()))
  for (const other of others.splice(0)) other.kill('SIGKILL')
  await waitFor(() => pidsNoted().every((pid) => !isAlive(pid)), { ...waiting, what: 'all processes to be gone' })
  rmSync(folder, { recursive: true })
})

/** What all workers say from now on. */
function say({ utilisation = 0, queueWaitMs = 0, buffered = 0 }): void {
  writeFileSync(join(folder, 'load.new'), JSON.stringify({ utilisation, queueWaitMs, buffered }))
  renameSync(join(folder, 'load.new'), join(folder, 'load'))
}

function start(options: SuperviseOptions): { readonly supervisor: Supervisor; readonly events: SupervisorEvent[] } {
  const events: SupervisorEvent[] = []
  const supervisor = supervise({
    env: { TEST_FOLDER: folder },
    everyMs: 50,
    signals: false,
    onEvent: (event) => void events.push(event),
    ...options,
  })
  supervisors.push(supervisor)
  return { supervisor, events }
}

const notes = (): string[] => readFileSync(join(folder, 'notes'), 'utf8').split('\n').filter(Boolean)
const noted = (text: string): string[] => notes().filter((line) => line.endsWith(text))
const pidsNoted = (): number[] => [...new Set(notes().map((line) => Number(line.split(' ')[0])))]

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('scaling', () => {
  test('grows in concurrency, then in processes, to its bounds while tasks wait, and shrinks when they idle', async () => {
    say({ utilisation: 1, queueWaitMs: 5_000, buffered: 10 })
    const { supervisor, events } = start({
      module,
      processes: { min: 1, max: 3 },
      concurrency: { min: 1, max: 4 },
      scaling: { growEveryMs: 50, shrinkAfterMs: 500 },
    })
    await waitFor(() => supervisor.status.slots === 12 && supervisor.status.reason === 'at-most', waiting)
    expect(supervisor.status).toMatchObject({
      wanted: { processes: 3, concurrency: 4, slots: 12 },
      reason: 'at-most',
      waitMs: 5_000,
      crashes: 0,
    })
    const scaled = events.filter((event) => event.kind === 'scaled')
    expect(scaled[0]).toMatchObject({ processes: 1, reason: 'growing' })
    expect(scaled.at(-1)).toMatchObject({ processes: 3, concurrency: 4 })

    say({ utilisation: 0 })
    await waitFor(() => supervisor.status.slots === 1 && supervisor.status.stopping === 0, waiting)
    expect(supervisor.status.wanted).toMatchObject({ processes: 1, concurrency: 1 })
    const [oldest] = pidsNoted()
    expect(supervisor.status.running.map(({ pid }) => pid)).toEqual([oldest])
    expect(noted('closed')).toHaveLength(2)
    expect(events.filter((event) => event.kind === 'stopped').map((event) => event.code)).toEqual([0, 0])
  })

  test('does nothing while the load is right', async () => {
    say({ utilisation: 0.9, queueWaitMs: 100, buffered: 1 })
    const { supervisor, events } = start({
      module,
      processes: { min: 1, max: 3 },
      concurrency: { min: 2, max: 4 },
      scaling: { growEveryMs: 50, shrinkAfterMs: 200 },
    })
    await waitFor(() => supervisor.status.slots === 2, waiting)
    const readings = new Set<number>()
    await waitFor(() => readings.add(performance.now()).size > 200, waiting)
    expect(events.filter((event) => event.kind === 'scaled')).toEqual([])
  })

  test('those that are up do what they can of the part of those that still start', async () => {
    say({ utilisation: 1, queueWaitMs: 5_000, buffered: 10 })
    const { supervisor } = start({
      module,
      processes: { min: 1, max: 2 },
      concurrency: { min: 1, max: 3 },
      scaling: { growEveryMs: 50, growFactor: 1 },
    })
    await waitFor(() => supervisor.status.slots === 6, waiting)
    const [oldest, second] = pidsNoted()
    const before = notes().slice(
      0,
      notes().findIndex((line) => line.startsWith(`${second} `)),
    )
    const told = before.filter((line) => line.startsWith(`${oldest} concurrency`))
    // Four slots are two in each of two processes, but the first had three by then.
    expect(told.map((line) => Number(line.split(' ').at(-1)))).toEqual([1, 2, 3])
  })

  test('no more start at once than there are cores', async () => {
    const processes = availableParallelism() + 2
    const { supervisor, events } = start({ module, processes: { min: processes, max: processes } })
    expect(events.map(({ kind }) => kind)).toEqual(Array.from({ length: availableParallelism() }, () => 'started'))
    await waitFor(() => supervisor.status.running.filter(({ slots }) => slots > 0).length === processes, waiting)
    expect(events).toHaveLength(processes)
  })

  test('takes the word of the queue, and that of the workers when the queue cannot be asked', async () => {
    say({ utilisation: 1, queueWaitMs: 9_000, buffered: 5 })
    let isDown = false
    const { supervisor, events } = start({
      module,
      processes: { min: 1, max: 2 },
      concurrency: { min: 1, max: 1 },
      scaling: { growEveryMs: 50 },
      queue: async () => {
        if (isDown) throw new Error('the store is away')
        return { backlog: 0, waitMs: 0 }
      },
    })
    await waitFor(() => supervisor.status.slots === 1, waiting)
    expect(supervisor.status).toMatchObject({ backlog: 0, waitMs: 0, wanted: { processes: 1 } })
    isDown = true
    await waitFor(() => supervisor.status.slots === 2, waiting)
    expect(events).toContainEqual({ kind: 'queue-unknown', message: 'the store is away' })
  })

  test('tells autoscalers how many are wanted', async () => {
    const { supervisor } = start({
      module,
      name: 'reports',
      processes: { min: 2, max: 2 },
      concurrency: { min: 3, max: 3 },
    })
    await waitFor(() => supervisor.status.slots === 6, waiting)
    expect(supervisor.metrics()).toContain(
      '# TYPE millrace_workers_wanted gauge\nmillrace_workers_wanted{name="reports"} 2\n',
    )
    expect(supervisor.metrics()).toContain('millrace_worker_slots{name="reports"} 6\n')
  })
})

describe('crashes', () => {
  test('what ends by itself is started again; the others go on', async () => {
    const { supervisor, events } = start({ module, processes: { min: 2, max: 2 }, restart: { first: 10 } })
    await waitFor(() => supervisor.status.running.every(({ slots }) => slots > 0), waiting)
    const [killed, kept] = supervisor.status.running.map(({ pid }) => pid)
    process.kill(killed ?? 0, 'SIGKILL')
    await waitFor(
      () =>
        supervisor.status.running.length === 2 &&
        supervisor.status.running.every(({ pid, slots }) => pid !== killed && slots > 0),
      waiting,
    )
    expect(supervisor.status).toMatchObject({ crashes: 1 })
    expect(supervisor.status.running.map(({ pid }) => pid)).toContain(kept)
    expect(events).toContainEqual({
      kind: 'crashed',
      pid: killed,
      code: null,
      signal: 'SIGKILL',
      message: undefined,
      restartInMs: 10,
    })
  })

  test('what dies again and again is started less and less often', async () => {
    const { events } = start({
      module,
      args: ['dies'],
      processes: { min: 1, max: 1 },
      restart: { first: 5, ceiling: 20 },
    })
    const waits = (): number[] => events.flatMap((event) => (event.kind === 'crashed' ? event.restartInMs : []))
    await waitFor(() => waits().length >= 4, waiting)
    expect(waits().slice(0, 4)).toEqual([5, 10, 20, 20])
    expect(events.find((event) => event.kind === 'crashed')).toMatchObject({ code: 7 })
  })

  test('what died holds its place until its wait is over', async () => {
    let looks = 0
    const { supervisor, events } = start({
      module,
      args: ['dies'],
      processes: { min: 1, max: 1 },
      restart: { first: 100_000, ceiling: 100_000 },
      queue: async () => ({ backlog: (looks += 1), waitMs: 0 }),
    })
    await waitFor(() => supervisor.status.crashes === 1, waiting)
    const from = looks
    await waitFor(() => looks >= from + 5, waiting)
    expect(events.filter((event) => event.kind === 'started')).toHaveLength(1)
  })

  test('a command that cannot be started says so', async () => {
    const { events } = start({ command: ['/no/such/program'], restart: { first: 10_000 } })
    await waitFor(() => events.some((event) => event.kind === 'crashed'), waiting)
    expect(events.at(-1)).toMatchObject({ kind: 'crashed', message: expect.stringContaining('ENOENT') })
  })
})

describe('stopping', () => {
  test('lets everybody finish', async () => {
    const { supervisor } = start({ module, processes: { min: 2, max: 2 } })
    await waitFor(() => supervisor.status.running.every(({ slots }) => slots > 0), waiting)
    await supervisor.stop()
    expect(noted('stopped')).toHaveLength(2)
    expect(noted('closed')).toHaveLength(2)
    expect(supervisor.status.running).toEqual([])
  })

  test('kills what does not listen when its time is up', async () => {
    const { supervisor, events } = start({
      module,
      args: ['deaf'],
      processes: { min: 1, max: 1 },
      stopTimeoutMs: 300,
    })
    await waitFor(() => noted('started').length === 1, waiting)
    await supervisor.stop()
    expect(events.at(-1)).toMatchObject({ kind: 'stopped', signal: 'SIGKILL' })
  })

  function ownProcess(): { readonly child: ChildProcess; readonly output: () => string } {
    const program = fileURLToPath(new URL('./supervisor.ts', import.meta.url))
    const child = spawn(process.execPath, ['--conditions=millrace-source', program], {
      env: { ...process.env, TEST_FOLDER: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    others.push(child)
    let output = ''
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
    return { child, output: () => output }
  }

  test('SIGTERM of the supervisor passes on, and it ends with 0 after the last', async () => {
    const { child, output } = ownProcess()
    await waitFor(() => noted('concurrency 1').length >= 2, waiting)
    child.kill('SIGTERM')
    await waitFor(() => child.exitCode !== null, waiting)
    expect(child.exitCode).toBe(0)
    expect(output()).toBe('up\ndown\n')
    expect(noted('closed')).toHaveLength(2)
    expect(pidsNoted().some(isAlive)).toBe(false)
  })

  test('workers whose supervisor is killed finish and go', async () => {
    const { child } = ownProcess()
    await waitFor(() => noted('concurrency 1').length >= 2, waiting)
    child.kill('SIGKILL')
    await waitFor(() => noted('closed').length === 2, waiting)
    await waitFor(() => pidsNoted().every((pid) => !isAlive(pid)), waiting)
  })
})

test.each([
  [{}, 'module'],
  [{ module, command: ['x'] as const }, 'module'],
  [{ module, processes: { min: 3, max: 2 } }, 'processes'],
  [{ module, concurrency: { min: 0 } }, 'concurrency'],
  [{ module, everyMs: 0 }, 'everyMs'],
  [{ module, restart: { first: NaN } }, 'first'],
  [{ module, proceses: { min: 2 } } as object, 'proceses'],
])('refuses %o', (options, path) => {
  expect(() => supervise(options)).toThrow(expect.objectContaining({ code: 'config_invalid', path }))
})
