import { clearInterval, setInterval } from 'node:timers'

const A_LONG_TIME_MS = 2 ** 30
let held = 0
let handle: ReturnType<typeof setInterval> | undefined

/**
 * Keeps the process alive until the work has settled. The runtime's timers do not, and while the server is away there is no socket that would: a
 * process that waits for its return would end in silence.
 */
export async function stayAlive<Result>(work: Promise<Result>): Promise<Result> {
  held += 1
  handle ??= setInterval(() => undefined, A_LONG_TIME_MS)
  try {
    return await work
  } finally {
    held -= 1
    if (held === 0) {
      clearInterval(handle)
      handle = undefined
    }
  }
}
