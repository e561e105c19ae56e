import { toEngineError } from '../file/sqlite-error.ts'
import { fetch, type FetchReply } from '../read/fetch.ts'
import type { EventReading } from '../read/reader-state.ts'
import { mark } from '../write/mark.ts'
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

/** Where there is something beyond what a fetch has seen, and how many events. */
interface News {
  readonly places: (StandingFetch['partitions'][number] & { readonly id: number })[]
  readonly count: number
}

/** More events than these are left to the reader, which reads while the next batch is written. */
const MOST_RECORDS = 64

export function createStandingFetches(state: WriterState, reply: (replies: readonly Reply[]) => void): StandingFetches {
  const standing = new Map<string, { readonly id: number; readonly query: StandingFetch }>()

  function news({ topic, partitions }: StandingFetch): News {
    const states = state.topics.get(topic)?.partitions ?? []
    const places: News['places'] = []
    let count = 0
    for (const place of partitions) {
      const known = states[place.partition]
      const fresh = known === undefined ? 0 : known.head - Math.max(place.after, known.dropped)
      if (known === undefined || fresh <= 0) continue
      places.push({ ...place, id: known.id })
      count += fresh
    }
    return { places, count }
  }

  /** What fails here must not fail the events it came with: the reader will meet the same and say so. */
  function tryAnswer(query: StandingFetch, { places, count }: News): StandingReply {
    if (count > MOST_RECORDS) return undefined
    try {
      return answer(query, places)
    } catch {
      return undefined
    }
  }

  /** Looks only where there is news: publishers wait for this. */
  function answer({ topic, group, max }: StandingFetch, places: News['places']): StandingReply {
    // The names of a transaction that is rolled back are forgotten with it.
    const reading: EventReading = { sql: state.sql, typeNames: state.types.names }
    const ids = new Map(places.map(({ partition, id }) => [partition, id]))
    const found = fetch(reading, { topic, partitions: places, max }, ids)
    const tokens = new Map(places.map(({ partition, token }) => [partition, token]))
    const marks = found.partitions.map(({ partition, rows }) => ({
      partition,
      token: tokens.get(partition) ?? 0,
      upTo: rows.at(-1)?.[0] ?? 0,
    }))
    return mark(state, { group, topic, marks }).length === 0 ? found : undefined
  }

  return {
    stand({ id, input }) {
      const query = input as StandingFetch
      const before = standing.get(query.consumer)
      standing.delete(query.consumer)
      if (before !== undefined) reply([{ id: before.id }])
      if (query.partitions.length === 0) return reply([{ id }])
      try {
        if (state.topics.refresh()) state.tasks.clear()
        if (news(query).count > 0) reply([{ id }])
        else standing.set(query.consumer, { id, query })
      } catch (error) {
        reply([{ id, error: toEngineError(error, state.path) }])
      }
    },
    serve() {
      const replies: Reply[] = []
      for (const { id, query } of standing.values()) {
        const found = news(query)
        if (found.count > 0) replies.push({ id, value: tryAnswer(query, found) })
      }
      return replies
    },
    served(replies) {
      for (const [consumer, { id }] of standing) if (replies.some((each) => each.id === id)) standing.delete(consumer)
    },
  }
}
