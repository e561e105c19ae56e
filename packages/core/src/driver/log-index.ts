import type { StoredRecord } from './record.ts'

/** Finds events by what the log is not ordered by. Both look-ups are by index, never a scan. */
export interface LogIndex {
  /** All events of this id (different sources may share one), at most 100. */
  byId(id: string, source?: string): Promise<readonly StoredRecord[]>
  /** The event that began the flow and those that carry its correlation id, by recorded time; at most `limit`. */
  byCorrelation(correlationId: string, limit: number): Promise<readonly StoredRecord[]>
}
