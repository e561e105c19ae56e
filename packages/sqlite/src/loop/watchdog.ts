import { isMillraceError, type MillraceError, type Timer } from '@millrace/core/driver'
import { guardAgainstForeignLibraries } from '../file/foreign-library.ts'
import type { Host } from './host.ts'

const LOOK_EVERY_MS = 1_000

/** Refuses to go on when a second SQLite library has opened the file: once a second, and around every commit where one is loaded. */
export interface Watchdog {
  /** Throws `engine_foreign_library` for good once it was seen. */
  beforeCommit(): void
  /** Throws when what was committed just now may be lost. */
  afterCommit(): void
  stop(): void
}

/** Looks at once, so that opening fails. Without threads (a simulation) it looks only then. */
export function createWatchdog(host: Host): Watchdog {
  const { path, threads } = host.settings
  const guard = guardAgainstForeignLibraries(path)
  let alert = guard.lookForLibraries()
  let failure: MillraceError | undefined
  let timer: Timer | undefined
  const check = (): void => {
    try {
      guard.check()
    } catch (error) {
      if (isMillraceError(error)) failure = error
      throw error
    }
  }
  const look = (): void => {
    alert = guard.lookForLibraries()
    try {
      check()
      timer = host.setTimer(look, LOOK_EVERY_MS)
    } catch {
      // Kept in `failure`: the next caller hears of it.
    }
  }
  const verify = (): void => {
    if (failure !== undefined) throw failure
    if (alert) check()
  }
  check()
  if (threads) timer = host.setTimer(look, LOOK_EVERY_MS)
  return { beforeCommit: verify, afterCommit: verify, stop: () => timer?.cancel() }
}
