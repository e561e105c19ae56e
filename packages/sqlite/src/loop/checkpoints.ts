import type { FaultPoint } from '../file/fault-point.ts'
import type { Statements } from '../file/statements.ts'
import type { Settings } from '../settings.ts'
import type { LogRoom } from './log-room.ts'

/** Commits between two looks at the size of the write-ahead log. */
const LOOK_EVERY = 32
/** A log of so many times the pages after which it is copied: somebody reads at any moment, so that it never begins anew by itself. */
const LONG_SHARE = 2
/** How long writers wait for the readers of a long log, in milliseconds: many times what a read takes. */
const READERS_END_WITHIN_MS = 50

/**
 * Copies the write-ahead log into the file when it has grown, after the replies, so that no publisher waits for it. A log that is copied as a whole begins anew
 * with the next commit if nobody reads then; where somebody always does, writers wait a moment for the readers, since a log without end makes each read slower
 * (sqlite.org/wal.html, "Avoiding Excessively Large WAL Files").
 */
export interface Checkpoints {
  afterCommit(): void
}

export function createCheckpoints(
  sql: Statements,
  settings: Settings,
  { fault, room }: { readonly fault: FaultPoint; readonly room: LogRoom },
): Checkpoints {
  let commits = 0
  const long = settings.checkpointPages * LONG_SHARE
  let longAt = long

  function checkpoint(mode: 'NOOP' | 'PASSIVE' | 'RESTART'): {
    readonly isBusy: boolean
    readonly log: number
    readonly copied: number
  } {
    const row = sql.prepared(`PRAGMA wal_checkpoint(${mode})`).get()
    return { isBusy: row?.['busy'] === 1, log: Number(row?.['log'] ?? 0), copied: Number(row?.['checkpointed'] ?? 0) }
  }

  /** Readers that go on for longer keep the log: it is tried again when that has grown further. */
  function beginAnew(): void {
    const patience = Number(sql.prepared('PRAGMA busy_timeout').get()?.['timeout'] ?? settings.busyTimeoutMs)
    sql.db.exec(`PRAGMA busy_timeout = ${Math.min(READERS_END_WITHIN_MS, patience)}`)
    try {
      const { isBusy, log } = checkpoint('RESTART')
      longAt = isBusy ? log + long : long
    } finally {
      sql.db.exec(`PRAGMA busy_timeout = ${patience}`)
    }
  }

  return {
    afterCommit() {
      commits += 1
      if (commits !== 1 && commits % LOOK_EVERY !== 0) return
      const { log, copied } = checkpoint('NOOP')
      room.has(log, LOOK_EVERY)
      if (log - copied < settings.checkpointPages) return
      fault('mid-checkpoint')
      checkpoint('PASSIVE')
      if (log >= longAt) beginAnew()
    },
  }
}
