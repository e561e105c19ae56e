import { toEngineError } from '../file/sqlite-error.ts'
import { fetch, type FetchReply } from '../read/fetch.ts'
import type { EventReading } from '../read/reader-state.ts'
import type { PartitionState } from '../write/topic-cache.ts'
import type { WriterState } from '../write/writer-state.ts'
import type { Call, Reply } from './host.ts'

/** A fetch that has found nothing and stands at the end of its partitions until a publish brings something. */
export interface StandingFetch {
  /** Names the consumer; it has one fetch standing at most, and the next one takes its place. */
  readonly consumer: string
  readonly group: string
  readonly topic: string
  readonly partitions: readonly { readonly partition: number; readonly token: number; readonly after: number }[]
  readonly max: number
}

/**
 * What came: events whose mark is stored under the tokens, in the transaction that stored the events; or nothing, which
 * means that the reader is to be asked.
 */
export type StandingReply = FetchReply | undefined

/** The fetches that stand. They are answered by the transaction that stores what they wait for: no thread is asked again. */
export interface StandingFetches {
  /** Begins to stand. Answers at once when there is something already. */
  stand(call: Call): void
  /** In a transaction, before it commits: the replies to send when it has. */
  serve(): Reply[]
  /** The transaction has committed: who was served stands no more. */
  served(replies: readonly Reply[]): void
}

/** More events than these are left to the reader, which reads while the next batch is written. */
const MOST_RECORDS = 64
const MARK = `
  UPDATE progress SET fetched_high = max(fetched_high, ?)
  WHERE group_id = (SELECT id FROM groups WHERE name = ?) AND partition_id = ? AND token = ?`

export function createStandingFetches(state: WriterState, reply: (replies: readonly Reply[]) => void): StandingFetches {
  const standing = new Map<string, { readonly id: number; readonly query: StandingFetch }>()

  function news({ topic, partitions }: StandingFetch): number {
    const heads = state.topics.get(topic)?.partitions ?? []
    let count = 0
    for (const { partition, after } of partitions) {
      const { head, dropped } = heads[partition] ?? { head: 0, dropped: 0 }
      count += Math.max(0, head - Math.max(after, dropped))
    }
    return count
  }

  /** What fails here must not fail the events it came with: the reader will meet the same and say so. */
  function tryAnswer(query: StandingFetch): StandingReply {
    try {
      return answer(query)
    } catch {
      return undefined
    }
  }

  function answer(query: StandingFetch): StandingReply {
    // The names may be of a transaction that is rolled back, so none is kept.
    const reading: EventReading = { sql: state.sql, typeNames: new Map() }
    const found = fetch(reading, query)
    const heads: readonly PartitionState[] = state.topics.get(query.topic)?.partitions ?? []
    for (const { partition, rows } of found.partitions) {
      const token = query.partitions.find((each) => each.partition === partition)?.token ?? 0
      const marked = state.sql.run(MARK, rows.at(-1)?.[0] ?? 0, query.group, heads[partition]?.id ?? 0, token)
      if (marked === 0) return undefined
    }
    return found
  }

  return {
    stand({ id, input }) {
      const query = input as StandingFetch
      const before = standing.get(query.consumer)
      standing.delete(query.consumer)
      if (before !== undefined) reply([{ id: before.id }])
      if (query.partitions.length === 0) return reply([{ id }])
      try {
        state.topics.refresh()
        if (news(query) > 0) reply([{ id }])
        else standing.set(query.consumer, { id, query })
      } catch (error) {
        reply([{ id, error: toEngineError(error, state.path) }])
      }
    },
    serve() {
      const replies: Reply[] = []
      for (const { id, query } of standing.values()) {
        const count = news(query)
        if (count > 0) replies.push({ id, value: count > MOST_RECORDS ? undefined : tryAnswer(query) })
      }
      return replies
    },
    served(replies) {
      for (const [consumer, { id }] of standing) if (replies.some((each) => each.id === id)) standing.delete(consumer)
    },
  }
}
