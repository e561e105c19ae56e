import { browse } from './browse.ts'
import { countDeadLetters, deadLettersAmong, getDeadLetter, listDeadLetters } from './dead-letters.ts'
import { diagnose } from './diagnose.ts'
import { fetch } from './fetch.ts'
import { findByCorrelation, findById } from './find.ts'
import { observe } from './group-view.ts'
import { inboxHas } from './inbox.ts'
import { dueEntries, laneCounts, laneKeys } from './lane.ts'
import { failingRows, observeRelay, outboxStatus, takeOutbox } from './outbox.ts'
import { lag, list } from './topics.ts'

/** Everything that only reads, by name. An operation that is a generator rests between slices. */
export type ReadOperations = {
  readonly fetch: typeof fetch
  readonly browse: typeof browse
  readonly list: typeof list
  readonly lag: typeof lag
  readonly observe: typeof observe
  readonly findById: typeof findById
  readonly findByCorrelation: typeof findByCorrelation
  readonly dueEntries: typeof dueEntries
  readonly laneKeys: typeof laneKeys
  readonly laneCounts: typeof laneCounts
  readonly listDeadLetters: typeof listDeadLetters
  readonly getDeadLetter: typeof getDeadLetter
  readonly deadLettersAmong: typeof deadLettersAmong
  readonly countDeadLetters: typeof countDeadLetters
  readonly diagnose: typeof diagnose
  readonly inboxHas: typeof inboxHas
  readonly observeRelay: typeof observeRelay
  readonly takeOutbox: typeof takeOutbox
  readonly outboxStatus: typeof outboxStatus
  readonly failingRows: typeof failingRows
}

export const READ_OPERATIONS: ReadOperations = {
  fetch,
  browse,
  list,
  lag,
  observe,
  findById,
  findByCorrelation,
  dueEntries,
  laneKeys,
  laneCounts,
  listDeadLetters,
  getDeadLetter,
  deadLettersAmong,
  countDeadLetters,
  diagnose,
  inboxHas,
  observeRelay,
  takeOutbox,
  outboxStatus,
  failingRows,
}

export type ReadName = keyof ReadOperations
