import { browse } from './browse.ts'
import { countDeadLetters, deadLettersAmong, getDeadLetter, listDeadLetters } from './dead-letters.ts'
import { diagnose } from './diagnose.ts'
import { fetch } from './fetch.ts'
import { findByCorrelation, findById } from './find.ts'
import { observe } from './group-view.ts'
import { inboxHas } from './inbox.ts'
import { dueEntries, laneCounts, laneKeys, laneNext } from './lane.ts'
import { failingRows, observeRelay, outboxStatus, takeOutbox } from './outbox.ts'
import { dueSchedules, getSchedule, listSchedules } from './schedules.ts'
import { getSetting, listSettings } from './settings.ts'
import { getTasks, outcomesOf, runningTasks, taskHolders, taskLogs } from './tasks/get-tasks.ts'
import { listTasks } from './tasks/list-tasks.ts'
import { deadTaskCounts, fullQueues, queueStatus, tasksAhead } from './tasks/queue-status.ts'
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
  readonly laneNext: typeof laneNext
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
  readonly getTasks: typeof getTasks
  readonly outcomesOf: typeof outcomesOf
  readonly taskHolders: typeof taskHolders
  readonly runningTasks: typeof runningTasks
  readonly taskLogs: typeof taskLogs
  readonly listTasks: typeof listTasks
  readonly queueStatus: typeof queueStatus
  readonly fullQueues: typeof fullQueues
  readonly deadTaskCounts: typeof deadTaskCounts
  readonly tasksAhead: typeof tasksAhead
  readonly getSchedule: typeof getSchedule
  readonly listSchedules: typeof listSchedules
  readonly dueSchedules: typeof dueSchedules
  readonly getSetting: typeof getSetting
  readonly listSettings: typeof listSettings
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
  laneNext,
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
  getTasks,
  outcomesOf,
  taskHolders,
  runningTasks,
  taskLogs,
  listTasks,
  queueStatus,
  fullQueues,
  deadTaskCounts,
  tasksAhead,
  getSchedule,
  listSchedules,
  dueSchedules,
  getSetting,
  listSettings,
}

export type ReadName = keyof ReadOperations
