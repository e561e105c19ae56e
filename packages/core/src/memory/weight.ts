/** What an event takes beside its body: its record, its position and its places in the indexes. */
const EVENT_OVERHEAD = 400

/** Bytes that the engine counts for one event, wherever it is kept. */
export function weightOf(body: string): number {
  return body.length + EVENT_OVERHEAD
}
