import { encodeProgress, type PartitionProgress, type Runtime } from '@millrace/core/driver'
import type { Database } from '../database/database.ts'

/** Partitions that the progress was not stored for, since their leases have moved on. */
export type Fenced = readonly number[]

/** Progress that goes to the server with a fetch. */
export interface Passenger {
  /** As `settle_1` takes it. */
  readonly rows: string
  arrived(fenced: Fenced): void
  failed(error: unknown): void
}

/** Stores the progress of one group in one topic: while events flow with the fetches, which saves the server a step and the locks of it. */
export interface SettleDesk {
  /** Resolves with what is fenced. Throws `engine_*`. */
  settle(progress: readonly PartitionProgress[]): Promise<Fenced>
  /** What waits, for a fetch that is sent now. */
  board(): Passenger | undefined
  /** Whether one more, or one less, is about to fetch. */
  expect(fetches: boolean): void
}

/** The desks of a connection, by group and topic. */
export interface SettleDesks {
  open(group: string, topic: string): SettleDesk
}

/** A slow handler keeps the next fetch waiting: progress does not wait for it any longer than this. */
const LONGEST_WAIT_MS = 10

export function createSettleDesks(database: Database, runtime: Runtime): SettleDesks {
  const desks = new Map<string, SettleDesk>()
  return {
    open(group, topic) {
      const name = JSON.stringify([group, topic])
      const desk = desks.get(name) ?? createDesk({ database, runtime, group, topic })
      desks.set(name, desk)
      return desk
    },
  }
}

function createDesk({
  database,
  runtime,
  group,
  topic,
}: {
  readonly database: Database
  readonly runtime: Runtime
  readonly group: string
  readonly topic: string
}): SettleDesk {
  let expected = 0
  let waiting: Passenger | undefined

  async function send(rows: string): Promise<Fenced> {
    const row = await database.first<{ fenced: number[] }>(
      'SELECT $S.settle_1($1, $2, $3) AS fenced',
      group,
      topic,
      rows,
    )
    return row?.fenced ?? []
  }

  function board(): Passenger | undefined {
    const passenger = waiting
    waiting = undefined
    return passenger
  }

  function sendAlone(): void {
    const passenger = board()
    if (passenger !== undefined) send(passenger.rows).then(passenger.arrived, passenger.failed)
  }

  return {
    settle(progress) {
      const rows = JSON.stringify(progress.map(encodeProgress))
      if (expected === 0 || waiting !== undefined) return send(rows)
      const timer = runtime.setTimer(sendAlone, LONGEST_WAIT_MS, true)
      return new Promise<Fenced>((arrived, failed) => (waiting = { rows, arrived, failed })).finally(() =>
        timer.cancel(),
      )
    },
    board,
    expect(fetches) {
      expected += fetches ? 1 : -1
      if (expected === 0) sendAlone()
    },
  }
}
