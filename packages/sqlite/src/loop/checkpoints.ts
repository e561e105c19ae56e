import type { FaultPoint } from '../file/fault-point.ts'
import type { Statements } from '../file/statements.ts'
import type { Settings } from '../settings.ts'

/** Commits between two looks at the size of the write-ahead log. */
const LOOK_EVERY = 32

/** Copies the write-ahead log into the file when it has grown, after the replies, so that no publisher waits for it. */
export interface Checkpoints {
  afterCommit(): void
}

export function createCheckpoints(sql: Statements, settings: Settings, fault: FaultPoint): Checkpoints {
  let commits = 0
  const backlog = (): number => {
    const row = sql.prepared('PRAGMA wal_checkpoint(NOOP)').get()
    return Number(row?.['log'] ?? 0) - Number(row?.['checkpointed'] ?? 0)
  }
  return {
    afterCommit() {
      commits += 1
      if (commits % LOOK_EVERY !== 0 || backlog() < settings.checkpointPages) return
      fault('mid-checkpoint')
      sql.prepared('PRAGMA wal_checkpoint(PASSIVE)').get()
    },
  }
}
