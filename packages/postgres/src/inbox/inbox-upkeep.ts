import type { Connection } from '../driver/connection.ts'

/** Drops inbox rows whose time is over, while inboxes are used. */
export interface InboxUpkeep {
  used(): void
}

const CHUNK = 2_000
const LEAST_EVERY_MS = 1_000

/** At most one look at a time, and none while nothing is handled. */
export function createInboxUpkeep(current: () => Connection): InboxUpkeep {
  let busy = false
  let lookedAt = -Infinity

  async function drop(): Promise<void> {
    const { database } = current()
    for (;;) {
      const row = await database.first<{ dropped: number }>('SELECT $S.drop_inbox_1($1) AS dropped', CHUNK)
      if ((row?.dropped ?? 0) < CHUNK) return
    }
  }

  return {
    used() {
      const { runtime, settings } = current()
      const now = runtime.monotonic()
      if (busy || now - lookedAt < Math.max(LEAST_EVERY_MS, settings.retentionEveryMs * 10)) return
      busy = true
      lookedAt = now
      // A later look does what this one could not.
      void drop()
        .catch(() => undefined)
        .finally(() => (busy = false))
    },
  }
}
