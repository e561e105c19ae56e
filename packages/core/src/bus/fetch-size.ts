import type { StoredRecord } from '../driver/record.ts'

/** How many records to ask for at once, so that an answer is neither tiny nor too large to arrive in time. */
export interface FetchSize {
  readonly records: number
  /** Records have come. */
  learn(records: readonly Pick<StoredRecord, 'body'>[]): void
  /** A fetch has failed, perhaps of its size. */
  shrink(): void
}

const MOST_RECORDS = 400
/** What an answer should hold at most: with events at their limit of 256 KiB that many records would be 100 MiB. */
const MOST_CHARACTERS = 4 * 1024 * 1024
/** Large events may come one after another: what the largest of late asks for fades slowly. */
const FADING = 0.9

/** Begins small, since nothing is known of the events. */
export function createFetchSize(): FetchSize {
  let records = 64
  let largest = 0
  return {
    get records() {
      return records
    },
    learn(got) {
      if (got.length === 0) return
      const characters = got.reduce((sum, { body }) => sum + body.length, 0)
      largest = Math.max(characters / got.length, largest * FADING)
      records = Math.max(1, Math.min(MOST_RECORDS, Math.floor(MOST_CHARACTERS / Math.max(1, largest))))
    },
    shrink() {
      records = Math.max(1, Math.floor(records / 4))
    },
  }
}
