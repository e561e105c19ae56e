import type { Definitions } from '../contract/catalog.ts'
import type { StoredEvent } from '../contract/event.ts'
import type { StoredRecord } from '../driver/record.ts'
import { browsableEvent, browsableText, type StoredText } from './stored-event.ts'

/** An event with the cursor after it. */
export type FollowedEvent = StoredEvent & { readonly cursor: string }

/** An event as text, with the cursor after it. */
export type FollowedText = StoredText & { readonly cursor: string }

/**
 * A bit of the log with the cursor after it. The first has no events and says where the following really began; so does one in which it begins
 * anew, because the engine has lost its newest events.
 */
export interface FollowedChunk {
  /** Read when they are looked at. */
  readonly events: readonly FollowedEvent[]
  /** The same events as text, for whoever passes them on: their data is not read where that can be helped. */
  readonly texts: readonly FollowedText[]
  readonly cursor: string
  /**
   * False when events between those before and those that follow may be missing: retention has dropped them, or the engine has lost its newest
   * ones, some of which may have been given here. Others may come twice then.
   */
  readonly recovered: boolean
}

/** A chunk that says where a following begins, or begins anew. */
export function beginningChunk(cursor: string, recovered: boolean): FollowedChunk {
  return { events: [], texts: [], cursor, recovered }
}

/** A record that was followed, with the cursor after it. */
export interface Followed {
  readonly record: StoredRecord
  readonly cursor: string
}

/** A chunk of records. What cannot be decoded is left out. */
export function chunkOf(followed: readonly Followed[], cursor: string, definitions: Definitions): FollowedChunk {
  let events: readonly FollowedEvent[] | undefined
  let texts: readonly FollowedText[] | undefined
  return {
    get events() {
      return (events ??= withCursors(followed, (record) => browsableEvent(record, definitions)))
    },
    get texts() {
      return (texts ??= withCursors(followed, (record) => browsableText(record, definitions)))
    },
    cursor,
    recovered: true,
  }
}

function withCursors<Shown extends object>(
  followed: readonly Followed[],
  show: (record: StoredRecord) => Shown | undefined,
): (Shown & { readonly cursor: string })[] {
  const all = []
  for (const { record, cursor } of followed) {
    const shown = show(record)
    if (shown !== undefined) all.push(Object.assign(shown, { cursor }))
  }
  return all
}
