import type { Log } from './log.ts'

/** A pending timer. Cancelling a timer that has fired does nothing. */
export interface Timer {
  cancel(): void
}

/**
 * Everything non-deterministic, injected: the core and the drivers take time, timers, randomness and ids from here and
 * never from the globals, so that a simulation can own them.
 */
export interface Runtime {
  /** Wall clock, in milliseconds since the epoch. For stamps; never for measuring. */
  now(): number
  /** A clock that never goes back, in milliseconds from an arbitrary start. For leases, timeouts and measurements. */
  monotonic(): number
  /**
   * Calls `run` once after `ms` milliseconds (0 or more, capped at 2^31-1). It does not keep the process alive, unless `keepsAlive`: for what a
   * caller waits for.
   */
  setTimer(run: () => void, ms: number, keepsAlive?: boolean): Timer
  /** Calls `run` after the current turn and its promises, when the event loop comes round: for batching what arrived in one turn. */
  defer(run: () => void): void
  /**
   * Calls `run` as soon as no promise has anything left to do, before the event loop goes on to what has arrived. Who calls it again from what
   * follows keeps the event loop from going on at all: only once a turn, and `defer` for the rest.
   */
  afterPromises(run: () => void): void
  /** Uniform in [0, 1). */
  random(): number
  /** A new UUIDv7 (RFC 9562): unique, and ordered by time within this process. `now` is for who has just asked the clock. */
  id(now?: number): string
  /** Where the product speaks; silent unless configured. */
  readonly log: Log
}
