import { spawn, type ChildProcess } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { LEASE_MS } from './events.ts'
import { openHistory } from './history-file.ts'
import type { WorkerSetup } from './worker.ts'

/** A worker as its supervisor sees it. */
export interface Worker {
  readonly name: string
  readonly point: string | undefined
  readonly child: ChildProcess
  ready: boolean
  paused: boolean
  /** Set when the supervisor has killed or stopped it. */
  ended: 'killed' | 'told' | undefined
  readonly exited: Promise<void>
}

/** Starts, kills, stops and restarts workers on one engine. */
export interface Supervisor {
  readonly workers: ReadonlySet<Worker>
  /** Kills that have happened: ours, and those of workers at their points. */
  readonly kills: number
  /** Workers that ended by themselves, with their exit codes: none should. */
  readonly fallen: readonly string[]
  /** How often each point was hit. */
  readonly hits: ReadonlyMap<string, number>
  start(options: {
    readonly point?: string
    readonly publishEveryMs: number
    readonly poison?: number
    readonly groups?: readonly string[]
    /** Variables of its environment, such as a false clock. */
    readonly env?: Readonly<Record<string, string>>
    /** A program that runs it and becomes it, such as `strace -D`. */
    readonly under?: readonly string[]
  }): Worker
  kill(worker: Worker): void
  tell(word: 'quiet' | 'healed'): void
  /** Whether workers rest from publishing for now, also those that are yet to start. */
  brake(wanted: boolean): void
  /** Lets a worker end in peace. */
  leave(worker: Worker): Promise<void>
  /** Stops it for `ms` milliseconds. */
  pause(worker: Worker, ms: number): void
  endAll(): Promise<void>
}

/** Places that a worker comes by many times a second. */
const OFTEN_PASSED: ReadonlySet<string> = new Set([
  'before-commit',
  'after-commit-before-reply',
  'publish-under-way',
  'after-store-before-reply',
  'settle-under-way',
  'after-settle',
  'after-fetch',
  'after-task-claim',
  'inside-task',
  'after-task',
  'task-settle-under-way',
  'after-task-settle',
  'enqueue-under-way',
  'after-enqueue',
])
/** Each worker publishes numbers of its own. */
const SEED_STEP = 100_000
/** What the events of a worker die of is repaired in those that start so many later: dead letters that are requeued get done in the end. */
const REPAIRED_AFTER = 40
const OPTIONS = ['--conditions=millrace-source', '--disable-warning=ExperimentalWarning']
const EVENT_WORKER = join(import.meta.dirname, 'worker.ts')

export function createSupervisor({
  engine,
  histories,
  leaseMs = LEASE_MS,
  program = EVENT_WORKER,
}: {
  /** The URL of the engine that they share. */
  readonly engine: string
  readonly histories: string
  readonly leaseMs?: number
  /** The program of the workers. Default: one that publishes and subscribes. */
  readonly program?: string
}): Supervisor {
  const workers = new Set<Worker>()
  const hits = new Map<string, number>()
  const fallen: string[] = []
  const nemesis = openHistory(histories, 'supervisor')
  let isBraked = false
  let started = 0
  let kills = 0

  function onExit(worker: Worker, code: number | null, signal: NodeJS.Signals | null): void {
    workers.delete(worker)
    if (code !== null && worker.ended !== 'told') fallen.push(`${worker.name} with code ${code}`)
    if (signal !== 'SIGKILL') return
    kills += 1
    writeAs(worker.name, 'kill')
    if (worker.ended === undefined && worker.point !== undefined) {
      hits.set(worker.point, (hits.get(worker.point) ?? 0) + 1)
    }
  }

  /** Written by the supervisor into the dead one's own history. */
  function writeAs(name: string, phase: 'kill' | 'pause'): void {
    const line = { at: Number(process.hrtime.bigint() / 1_000n) / 1_000, process: name, kind: 'process', phase }
    // A line of its own: the one before may have been torn by the kill.
    appendFileSync(join(histories, `${name}.supervisor.ndjson`), `${JSON.stringify(line)}\n`)
  }

  return {
    workers,
    get kills() {
      return kills
    },
    hits,
    fallen,
    start({ point, publishEveryMs, poison, groups = ['billing', 'audit'], env = {}, under = [] }) {
      started += 1
      const pointCount = point !== undefined && OFTEN_PASSED.has(point) ? 5 + (started % 40) : 1 + (started % 2)
      const setup: WorkerSetup = {
        name: `w${started}`,
        engine,
        histories,
        leaseMs,
        seed: started * SEED_STEP,
        repairedBefore: (started - REPAIRED_AFTER) * SEED_STEP,
        point,
        pointCount,
        publishEveryMs,
        groups,
        poison,
      }
      const command = [...under, process.execPath, ...OPTIONS, program]
      const child = spawn(command[0] ?? '', command.slice(1), {
        env: {
          ...process.env,
          CRASH_WORKER: JSON.stringify(setup),
          MILLRACE_FAULT_POINT: point === undefined ? '' : `${point}:${pointCount}`,
          // Most of a worker's short life would go into reading its modules.
          NODE_COMPILE_CACHE: join(histories, '..', 'compiled'),
          ...env,
        },
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      child.stdin.on('error', () => {})
      let resolveExited: () => void = () => {}
      const worker: Worker = {
        name: setup.name,
        point,
        child,
        ready: false,
        paused: false,
        ended: undefined,
        exited: new Promise((resolve) => (resolveExited = resolve)),
      }
      workers.add(worker)
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line !== 'ready') return
        worker.ready = true
        if (isBraked) child.stdin.write('rest\n')
      })
      child.once('exit', (code, signal) => {
        onExit(worker, code, signal)
        resolveExited()
      })
      return worker
    },
    kill(worker) {
      worker.ended = 'killed'
      worker.child.kill('SIGKILL')
    },
    tell(word) {
      for (const { child } of workers) child.stdin?.write(`${word}\n`)
    },
    brake(wanted) {
      if (wanted === isBraked) return
      isBraked = wanted
      for (const { child } of workers) child.stdin?.write(isBraked ? 'rest\n' : 'go on\n')
    },
    async leave(worker) {
      worker.ended = 'told'
      worker.child.kill('SIGTERM')
      await worker.exited
    },
    pause(worker, ms) {
      worker.paused = true
      writeAs(worker.name, 'pause')
      worker.child.kill('SIGSTOP')
      setTimeout(() => {
        worker.paused = false
        worker.child.kill('SIGCONT')
      }, ms)
    },
    async endAll() {
      nemesis.close()
      for (const worker of workers) {
        worker.ended = 'told'
        worker.child.kill('SIGCONT')
        worker.child.kill('SIGKILL')
      }
      await Promise.all([...workers].map(({ exited }) => exited))
    },
  }
}
