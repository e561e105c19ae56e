import type { OutboxHints } from '@millrace/core/driver'
import type { Connection } from '../driver/connection.ts'

/** Tells the process that forwards of rows that others have added. */
export interface OutboxNotices {
  /** Rows were added in a transaction that will probably commit soon. */
  added(): void
  listen(listener: () => void): OutboxHints
}

/** No topic can have this name. */
const NAME = '!outbox'
/** When after a row others are told: soon, for most transactions end soon, and once more for those that take a little longer. */
const TELL_AFTER_MS = [15, 200]

/** A notification inside the caller's transaction would serialise all commits of the server; these come from outside, gathered. */
export function createOutboxNotices(current: () => Connection): OutboxNotices {
  let pending = 0

  return {
    added() {
      if (pending > 0) return
      const { runtime, notices } = current()
      pending = TELL_AFTER_MS.length
      for (const ms of TELL_AFTER_MS) {
        runtime.setTimer(() => {
          pending -= 1
          notices.published(NAME)
        }, ms)
      }
    },
    listen(listener) {
      const { changes, notices } = current()
      const stopped = new AbortController()
      notices.listen()
      const wait = async (): Promise<void> => {
        while (!stopped.signal.aborted && !current().closing) {
          await changes.next(NAME, changes.version(NAME), [stopped.signal])
          if (!stopped.signal.aborted) listener()
        }
      }
      // Ends with the connection.
      wait().catch(() => undefined)
      return {
        get arriving() {
          return notices.arriving
        },
        stop: () => stopped.abort(),
      }
    },
  }
}
