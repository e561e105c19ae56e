import { setImmediate } from 'node:timers'
import { silentLog } from '../runtime/log.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import { createUuid7 } from '../runtime/uuid7.ts'
import { createEventHeap, type Happening } from './event-heap.ts'
import { createRandom, type Random } from './random.ts'
import { afterPromises } from './settle-promises.ts'

/** Simulated processes on one heap of events with virtual time. Nothing in it waits for a real clock. */
export interface World {
  readonly seed: number
  /** The wall clock when the world began, in milliseconds since the epoch. */
  readonly beginsAt: number
  readonly random: Random
  /** Virtual milliseconds since the world began. */
  readonly now: number
  /** Happenings run so far. */
  readonly steps: number
  /** A new process with clocks of its own. */
  spawn(name: string, clock?: ClockSkew): SimulatedProcess
  /** Runs `run` after `ms` virtual milliseconds; nothing but `cancel` prevents it. */
  after(ms: number, run: () => void): Timer
  /** Lets time pass until the condition holds; false when it does not within `withinMs`. Rejects with what a callback throws. */
  run(until: () => boolean, withinMs: number): Promise<boolean>
  /** Adds to the trace whose hash tells whether two runs were the same. */
  trace(text: string): void
  readonly traceHash: string
}

/** How the clocks of a process differ from the world's. */
export interface ClockSkew {
  /** How far the wall clock is off, in milliseconds. */
  readonly offsetMs?: number
  /** How much faster than the world the clocks run: 0.01 is one per cent. */
  readonly drift?: number
}

/** A process: its runtime, and what can be done to it. */
export interface SimulatedProcess {
  readonly name: string
  readonly runtime: Runtime
  readonly alive: boolean
  /** All its timers, callbacks and calls vanish at once (SIGKILL). */
  kill(): void
  /** It stands still for `ms` milliseconds, then all that was due comes at once (SIGSTOP, SIGCONT). */
  pause(ms: number): void
  /** Runs `run` in the process after `ms` of the world's milliseconds, unless it is dead by then. */
  after(ms: number, run: () => void): Timer
}

/** The wall clock of a world begins here unless it is told otherwise: 2026-01-01. */
const WORLD_BEGINS = 1_767_225_600_000
const STEPS_PER_TURN = 512

export function createWorld(seed: number, { beginsAt = WORLD_BEGINS }: { readonly beginsAt?: number } = {}): World {
  const random = createRandom(seed)
  const heap = createEventHeap()
  const pausedUntil: number[] = []
  const dead: boolean[] = []
  let now = 0
  let planned = 0
  let steps = 0
  let hash = 0x811c9dc5

  function plan(ms: number, run: () => void, owner: number): Timer {
    const happening: Happening = { at: now + Math.max(0, ms), order: planned++, run, cancelled: false, owner }
    heap.push(happening)
    return { cancel: () => void (happening.cancelled = true) }
  }

  function mix(value: number): void {
    hash = Math.imul(hash ^ (value & 0xffff), 0x01000193)
    hash = Math.imul(hash ^ ((value >>> 16) & 0xffff), 0x01000193)
  }

  function step(happening: Happening): void {
    const { owner } = happening
    if (happening.cancelled || (owner >= 0 && dead[owner])) return
    const pause = owner < 0 ? 0 : (pausedUntil[owner] ?? 0)
    now = Math.max(now, happening.at)
    if (pause > now) {
      happening.at = pause
      heap.push(happening)
      return
    }
    steps += 1
    mix(Math.round(now * 1_000) | 0)
    mix(owner)
    happening.run()
  }

  return {
    seed,
    beginsAt,
    random,
    get now() {
      return now
    },
    get steps() {
      return steps
    },
    spawn(name, { offsetMs = 0, drift = 0 } = {}) {
      const owner = dead.length
      dead.push(false)
      pausedUntil.push(0)
      const own = random.fork()
      const rate = 1 + drift
      const begins = own.between(0, 1_000_000)
      const clock = (): number => Math.floor(beginsAt + offsetMs + now * rate)
      const runtime: Runtime = {
        now: clock,
        monotonic: () => begins + now * rate,
        setTimer: (run, ms) => plan(ms / rate, run, owner),
        defer: (run) => void plan(0, run, owner),
        afterPromises: (run) => void plan(0, run, owner),
        random: own.next,
        id: createUuid7({ now: clock, fill: (bytes) => fillFrom(own, bytes) }),
        log: silentLog,
      }
      return {
        name,
        runtime,
        get alive() {
          return dead[owner] === false
        },
        kill: () => void (dead[owner] = true),
        pause: (ms) => void (pausedUntil[owner] = Math.max(pausedUntil[owner] ?? 0, now + ms)),
        after: (ms, run) => plan(ms, run, owner),
      }
    },
    after: (ms, run) => plan(ms, run, -1),
    run(until, withinMs) {
      const deadline = now + withinMs
      return new Promise((resolve, reject) => {
        let turns = 0
        const advance = (): void => {
          try {
            if (until()) return resolve(true)
            const next = heap.peek()
            if (next === undefined || next.at > deadline) {
              now = deadline
              return resolve(false)
            }
            heap.pop()
            step(next)
          } catch (error) {
            return reject(error)
          }
          turns += 1
          if (turns % STEPS_PER_TURN === 0) setImmediate(advance)
          else afterPromises(advance)
        }
        afterPromises(advance)
      })
    },
    trace(text) {
      for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
    },
    get traceHash() {
      return `${(hash >>> 0).toString(16).padStart(8, '0')}-${steps}`
    },
  }
}

/** Fills bytes from a seeded source. */
export function fillFrom(random: Random, bytes: Uint8Array<ArrayBuffer>): void {
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = Math.floor(random.next() * 256)
}
