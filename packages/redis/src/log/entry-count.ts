/** A busy publisher's entries have dozens of events, a quiet one's have one. */
const MOST_UNSEEN = 16

/** How many entries to ask for to get about so many events, when an entry has had `eventsAnEntry` so far, undefined for a partition of which nothing was read. */
export function entriesFor(events: number, eventsAnEntry: number | undefined): number {
  return eventsAnEntry === undefined ? Math.min(events, MOST_UNSEEN) : Math.ceil(events / eventsAnEntry)
}
