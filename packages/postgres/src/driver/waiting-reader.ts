import type { Consumer, StoredRecord } from '@millrace/core/driver'
import type { Connection } from './connection.ts'
import type { StandingReader } from './standing.ts'

/** What a reader is asked for. */
export type Fetching = Parameters<Consumer['fetch']>[0]

/** A reader where there is nothing to read: it waits, and is brought what is published here. */
export interface WaitingReader {
  /** From now on it wants what comes next, until the function given is called. */
  want(fetching: Fetching): () => void
  /** Waits until the topic has changed since `version`, something was brought, or one of the signals fires. */
  wait(version: number, signals: readonly (AbortSignal | undefined)[]): Promise<void>
  /** What was brought, of the partitions that are wanted; of the others it is kept. */
  take(fetching: Fetching): StoredRecord[]
  /** All partitions were looked at, and nothing was there at this version of the topic. */
  sawEnd(version: number): void
  /** Whether nothing can have come since but what was brought, as far as is known here. */
  isAtEnd(version: number): boolean
}

/** The reader's own state, which what is brought moves on. */
export interface ReaderState {
  readonly topic: string
  readonly group: string
  readonly tokens: ReadonlyMap<number, number>
  readonly after: Map<number, number>
  readonly marks: Map<number, number>
}

export function createWaitingReader(
  { changes, standing, notices }: Pick<Connection, 'changes' | 'standing' | 'notices'>,
  { topic, group, tokens, after, marks }: ReaderState,
): WaitingReader {
  let brought: StoredRecord[] = []
  let resting: ReadonlySet<number> | undefined
  let waits = false
  let end: number | undefined

  const reader: StandingReader = {
    group,
    placeIn(partition) {
      const [token, seq] = [tokens.get(partition), after.get(partition)]
      if (token === undefined || seq === undefined || resting?.has(partition) === true) return undefined
      return { token, after: seq }
    },
    bring(record, seq) {
      // One that looks just now finds it by itself.
      if (!waits || after.get(record.partition) !== seq - 1) return
      after.set(record.partition, seq)
      marks.set(record.partition, seq)
      brought.push(record)
      // It was told of this event in the same breath, which is no reason to look.
      if (end === changes.version(topic) - 1) end += 1
    },
  }

  return {
    want({ mark, paused }) {
      // A mark that is not wanted is not stored with the event.
      if (mark !== true) return () => {}
      resting = paused
      return standing.stand(topic, reader)
    },
    async wait(version, signals) {
      waits = true
      await changes.next(topic, version, signals)
      waits = false
    },
    take({ max, paused }) {
      if (brought.length === 0) return []
      const taken: StoredRecord[] = []
      const kept: StoredRecord[] = []
      for (const record of brought)
        if (taken.length < max && paused?.has(record.partition) !== true) taken.push(record)
        else kept.push(record)
      brought = kept
      return taken
    },
    sawEnd: (version) => void (end = version),
    // Where nobody tells of what others publish, each turn is an occasion to look.
    isAtEnd: (version) => end === version && notices.arriving,
  }
}
