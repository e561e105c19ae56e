import type { EventMessage } from '@millrace/core'
import type { ReadModelServices } from './services.ts'

/** Events that a transaction of the read models wants published. */
export interface Outbox {
  /** Adds an event inside the running transaction; one with the same id is added once. */
  add(event: EventMessage): void
  /** Publishes what is waiting; called after a commit. Returns at once: what fails waits for the next call. */
  drain(): void
  /** Resolves when nothing is being published. */
  idle(): Promise<void>
}

const BATCH = 500
const AGAIN_MS = 1_000

/**
 * An effect and the event that tells of it are one commit: the event is written here first and published after it. It
 * may be published twice, after a crash in between, but under the same id, which the engine stores once.
 */
export function createOutbox({ database, commit, millrace, runtime }: ReadModelServices): Outbox {
  let running: Promise<void> | undefined
  let wanted = false

  async function publishWaiting(): Promise<void> {
    while (wanted && database.connection.isOpen) {
      wanted = false
      const rows = database.prepare('SELECT number, event FROM outbox ORDER BY number LIMIT ?').all(BATCH)
      if (rows.length === 0) return
      const results = await millrace.publishBatch(rows.map((row) => JSON.parse(String(row['event'])) as EventMessage))
      if (!database.connection.isOpen) return
      const done = rows.filter((_, index) => {
        const result = results[index]
        // A conflict is an event that was told before with other words: it was told.
        return result?.outcome === 'stored' || result?.error.code === 'event_conflict'
      })
      await commit.run(() => {
        for (const row of done) database.prepare('DELETE FROM outbox WHERE number = ?').run(Number(row['number']))
      })
      if (done.length < rows.length) runtime.setTimer(drain, AGAIN_MS)
      else wanted = true
    }
  }

  function drain(): void {
    wanted = true
    running ??= publishWaiting()
      .catch(() => {
        // The rows are still there; the next commit or the timer tries again.
        runtime.setTimer(drain, AGAIN_MS)
      })
      .finally(() => {
        running = undefined
      })
  }

  return {
    add(event) {
      database.prepare('INSERT OR IGNORE INTO outbox (id, event) VALUES (?, ?)').run(event.id, JSON.stringify(event))
    },
    drain,
    idle: async () => {
      while (running !== undefined) await running
    },
  }
}
