import type { HistoryEntry, Unstamped } from './history.ts'
import { NO_FAULTS } from './network-faults.ts'
import { drawFaults, drawNemesis, type Attack } from './nemesis.ts'
import type { Random } from './random.ts'
import type { SimulatedEngine } from './simulated-engine.ts'
import type { SimulatedProcess, World } from './world.ts'

/** What runs in a process of a simulation. */
export interface Player {
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}

export interface CastMember<Playing extends Player> {
  readonly process: SimulatedProcess
  readonly player: Playing
  /** Whether its process is dead, or about to leave. */
  readonly down: boolean
}

export interface CastOptions<Playing extends Player> {
  readonly world: World
  readonly engine: SimulatedEngine
  readonly random: Random
  /** Virtual milliseconds in which there are attacks. */
  readonly chaosMs: number
  /** How far the wall clock of a process may be off, in milliseconds. Default: five minutes. */
  readonly skewMs?: number
  /** Starts what runs in a new process of the member with this number. */
  readonly start: (process: SimulatedProcess, member: number) => Playing
  /** Called for attacks that only the application knows. */
  readonly onAttack?: (does: Attack['does'], member: CastMember<Playing>) => void
}

/** The processes of a simulation, what is done to them, and what all of them write down. */
export interface Cast<Playing extends Player> {
  readonly members: readonly CastMember<Playing>[]
  readonly history: readonly HistoryEntry[]
  /** The attacks so far, for people. */
  readonly attacks: readonly string[]
  /** What went wrong with the processes themselves. */
  readonly errors: string[]
  /** Crashes of the engine that have lost what was not synced. */
  readonly lostTails: number
  /** Writes down an entry of a process; what a dead one says is not heard. */
  record(process: SimulatedProcess, entry: Unstamped): void
  /** Starts so many members, plans the attacks, and lets the time of the attacks pass. */
  play(members: number): Promise<void>
  /** A process dies, and another of the same member starts after `ms`. */
  kill(process: SimulatedProcess, ms: number): void
  /** No faults from now on: lets restarts, late requests and cuts come to their end. */
  calm(): Promise<void>
  /** Closes all that is up. Gives what went wrong. */
  closeAll(): Promise<string | undefined>
}

const CALM_MS = 4_000
const CLOSE_MS = 30_000
const LEAVE_MS = 2_000
/** How long a network fault stays as it is. */
const SPELL_MS = 1_000

/** A cast without members. */
export function createCast<Playing extends Player>(options: CastOptions<Playing>): Cast<Playing> {
  const { world, engine, random, chaosMs, skewMs = 300_000, start, onAttack } = options
  const members: { process: SimulatedProcess; player: Playing; down: boolean }[] = []
  const history: HistoryEntry[] = []
  const attacks: string[] = []
  const errors: string[] = []
  let lostTails = 0
  let incarnations = 0
  let isCalm = false

  function record(process: SimulatedProcess, entry: Unstamped): void {
    if (!process.alive) return
    history.push({ at: world.now, process: process.name, ...entry })
    world.trace(
      `${entry.kind}${'phase' in entry ? entry.phase : ''}${'id' in entry ? entry.id : ''}${'position' in entry ? entry.position : ''}`,
    )
  }

  function boot(at: number): void {
    const process = world.spawn(`p${at}.${++incarnations}`, {
      offsetMs: random.between(-skewMs, skewMs),
      drift: (random.next() - 0.5) * 0.04,
    })
    record(process, { kind: 'process', phase: 'start' })
    members[at] = { process, player: start(process, at), down: false }
  }

  function kill(process: SimulatedProcess, ms: number): void {
    const at = members.findIndex((member) => member.process === process)
    const member = members[at]
    if (member === undefined || !process.alive) return
    record(process, { kind: 'process', phase: 'kill' })
    process.kill()
    member.down = true
    world.after(ms, () => boot(at))
  }

  function attack({ does, member: number, ms }: Attack): void {
    const at = number % members.length
    const member = members[at]
    if (isCalm || member === undefined) return
    if (does === 'crash') {
      const lost = engine.crash(ms)
      if (lost > 0) lostTails += 1
      attacks.push(`crash ${lost}`)
      return
    }
    attacks.push(does)
    if (does === 'stall') engine.stall(ms)
    else if (does === 'join') boot(members.length)
    else if (!member.down) strike(does, at, ms)
  }

  function strike(does: Attack['does'], at: number, ms: number): void {
    const member = members[at]
    if (member === undefined) return
    const { process, player } = member
    if (does === 'kill') kill(process, ms)
    else if (does === 'pause') {
      record(process, { kind: 'process', phase: 'pause' })
      process.pause(ms)
    } else if (does === 'cut') {
      record(process, { kind: 'process', phase: 'cut' })
      engine.cut(process, ms)
    } else if (does === 'leave') {
      member.down = true
      record(process, { kind: 'process', phase: 'stop' })
      player.close({ timeoutMs: LEAVE_MS }).then(
        () => process.alive && world.after(ms, () => boot(at)),
        (error: unknown) => errors.push(`close: ${String(error)}`),
      )
    } else onAttack?.(does, member)
  }

  return {
    members,
    history,
    attacks,
    errors,
    get lostTails() {
      return lostTails
    },
    record,
    async play(count) {
      for (const planned of drawNemesis(random)) world.after(planned.at, () => attack(planned))
      for (let at = 0; at < chaosMs; at += SPELL_MS)
        world.after(at, () => isCalm || engine.setFaults(drawFaults(random)))
      for (let at = 0; at < count; at += 1) boot(at)
      await world.run(() => false, chaosMs)
    },
    kill,
    async calm() {
      isCalm = true
      engine.setFaults(NO_FAULTS)
      await world.run(() => false, CALM_MS)
    },
    async closeAll() {
      let closed = 0
      const up = members.filter(({ down }) => !down)
      for (const { player } of up)
        player.close().then(
          () => (closed += 1),
          (error: unknown) => errors.push(`close: ${String(error)}`),
        )
      return (await world.run(() => closed === up.length, CLOSE_MS))
        ? undefined
        : `${up.length - closed} processes did not close.`
    },
  }
}
