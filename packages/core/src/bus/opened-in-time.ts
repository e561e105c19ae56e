import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'

/**
 * The engine may take its time to open; who sends something need not. What is opened too late is nobody's concern any more. Throws
 * `engine_unreachable`.
 */
export function openedInTime<Opened>(runtime: Runtime, timeoutMs: number, opened: Promise<Opened>): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const timer = runtime.setTimer(() => reject(notOpen(timeoutMs)), timeoutMs)
    opened.then(resolve, reject).finally(() => timer.cancel())
  })
}

function notOpen(timeoutMs: number): MillraceError {
  return new MillraceError(
    'engine_unreachable',
    `The engine was not open, with the topic or queue made, within ${timeoutMs} ms: nothing was sent. Send it again; start() says why it does not open.`,
    { retriable: true },
  )
}
