import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createRandom, type Random } from '@millrace/core/testing'
import type { EngineServer } from 'engines'
import { openHistory } from './history-file.ts'
import type { Operator } from './operator.ts'
import { pauseServer } from './paused-server.ts'
import type { PointName } from './points.ts'
import { createSupervisor, type Supervisor, type Worker } from './supervisor.ts'

export interface CrashRunOptions<Report> {
  readonly folder: string
  /** The URL of the engine. */
  readonly engine: string
  /** At which places workers kill themselves. */
  readonly points: readonly PointName[]
  readonly kills: number
  readonly seed: number
  readonly workers?: number
  /** The server behind the engine: it is killed, restarted and stopped for a while in the middle of all this. */
  readonly server?: EngineServer
  /** The program of the workers. */
  readonly program?: string
  /** Milliseconds between two calls of a worker. Default 12. */
  readonly everyMs?: number
  /** Somebody who works on it meanwhile. */
  readonly operator?: (world: Omit<CrashedWorld, 'supervisor'>) => Promise<Operator>
  /** Lets all of it heal and drain, and says what the workers' histories show. */
  readonly judge: (world: CrashedWorld) => Promise<Report>
}

/** What there is when no more is killed. */
export interface CrashedWorld {
  readonly supervisor: Supervisor
  /** The URL of the engine. */
  readonly engine: string
  readonly histories: string
}

/** How hard the run was. */
export interface CrashRun {
  /** How often each named point was hit. */
  readonly hits: Readonly<Record<string, number>>
  readonly serverKills: number
  /** Workers that ended by themselves. */
  readonly fallen: readonly string[]
}

/** Every worker in so many is armed with a named point; the others are killed at random. */
const ARMED_EVERY = 3

/** Kills of workers between two kills of their server. */
const SERVER_EVERY = 10

/** Kills, pauses, adds and removes workers on one engine, heals, drains, and judges what they wrote down. */
export async function crashRun<Report>(options: CrashRunOptions<Report>): Promise<Report & CrashRun> {
  const { folder, engine: url, points, kills, seed, workers: count = 8, program, everyMs = 12 } = options
  const histories = join(folder, 'histories')
  mkdirSync(histories, { recursive: true })
  const random = createRandom(seed)
  const supervisor = createSupervisor({ engine: url, histories, ...(program === undefined ? {} : { program }) })
  const nemesis = options.server === undefined ? undefined : serverNemesis(options.server, { histories, random })
  const operator = await options.operator?.({ engine: url, histories })
  let armed = 0
  const startOne = (): Worker => {
    const point = armed++ % ARMED_EVERY === 0 ? points[Math.floor(armed / ARMED_EVERY) % points.length] : undefined
    return supervisor.start({ publishEveryMs: everyMs, ...(point === undefined ? {} : { point }) })
  }
  try {
    let leaving = 0
    let hasJoined = false
    while (supervisor.kills < kills) {
      nemesis?.after(supervisor.kills)
      while (supervisor.workers.size < count) startOne()
      await sleep(random.between(40, 160))
      const up = [...supervisor.workers].filter(({ ready, paused, ended }) => ready && !paused && ended === undefined)
      hasJoined ||= up.length > 0
      if (hasJoined) operator?.tend(supervisor.kills)
      supervisor.brake(operator?.isBehind === true)
      // Those that are armed kill themselves; the others are chosen at random.
      // The two oldest are mostly spared, so that somebody lives long enough to take over and to have much in hand.
      const targets = up.filter(({ point }) => point === undefined).slice(random.chance(0.8) ? 2 : 0)
      const target = targets[random.between(0, targets.length - 1)]
      if (target === undefined) continue
      const dice = random.next()
      if (dice < 0.05) supervisor.pause(target, random.between(1_200, 2_500))
      else if (dice < 0.09 && leaving < 1) {
        leaving += 1
        void supervisor.leave(target).finally(() => (leaving -= 1))
      } else supervisor.kill(target)
    }
    await nemesis?.heal()
    await operator?.leave()
    const report = await options.judge({ supervisor, engine: url, histories })
    const hits = Object.fromEntries(points.map((point) => [point, supervisor.hits.get(point) ?? 0]))
    return { ...report, hits, serverKills: nemesis?.kills ?? 0, fallen: supervisor.fallen }
  } finally {
    await supervisor.endAll()
    await nemesis?.heal()
    await operator?.leave()
  }
}

/** Ends the server every so many kills of workers and lets it come back; every third time it only stands still for a while. */
function serverNemesis(
  server: EngineServer,
  { histories, random }: { readonly histories: string; readonly random: Random },
): { readonly kills: number; after(workerKills: number): void; heal(): Promise<void> } {
  const history = openHistory(histories, 'server')
  let strikes = 0
  let kills = 0
  let underWay: Promise<void> = Promise.resolve()
  let isAtWork = false

  async function strike(): Promise<void> {
    if (strikes % 3 === 0) {
      history.record({ kind: 'engine', phase: 'stall' })
      const goOn = pauseServer(server)
      await sleep(random.between(300, 2_000))
      goOn()
      return
    }
    await server.kill()
    kills += 1
    history.record({ kind: 'engine', phase: 'crash' })
    await sleep(random.between(0, 1_500))
    await server.restart()
    history.record({ kind: 'engine', phase: 'restart' })
  }

  return {
    get kills() {
      return kills
    },
    after(workerKills) {
      if (isAtWork || workerKills < (strikes + 1) * SERVER_EVERY) return
      strikes += 1
      isAtWork = true
      underWay = strike().finally(() => (isAtWork = false))
      underWay.catch(() => undefined)
    },
    heal: () => underWay,
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
