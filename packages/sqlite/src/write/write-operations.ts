import { putDeadLetters, discard, requeue } from './dead-letters.ts'
import { ensureGroup, removeGroup, seek } from './groups.ts'
import { applyInbox } from './inbox.ts'
import { addToLane, settleLane, unpark } from './lane.ts'
import { addMember, beat, claim, expel, giveBack, putFilter, removeMember } from './leases.ts'
import { mark } from './mark.ts'
import { claimRelay, releaseRelay, renewRelay, resolveOutbox, settleOutbox } from './outbox.ts'
import { publish } from './publish.ts'
import { dropChunk } from './retention.ts'
import { settle } from './settle.ts'
import { enqueue } from './tasks/enqueue.ts'
import { changeTasks } from './tasks/change.ts'
import { exchange } from './tasks/exchange.ts'
import { putQueue, removeQueue } from './tasks/queue-settings.ts'
import { reclaim } from './tasks/reclaim.ts'
import { sweepTasks } from './tasks/sweep.ts'
import { fireSchedule, putSchedule, removeSchedule } from './schedules.ts'
import { putSetting } from './settings.ts'
import { ensureTopic, removeTopic } from './topics.ts'

/** Everything that changes the file, by name. Each runs inside a transaction with others, in a savepoint of its own. */
export type WriteOperations = {
  readonly publish: typeof publish
  readonly settle: typeof settle
  readonly mark: typeof mark
  readonly ensureTopic: typeof ensureTopic
  readonly removeTopic: typeof removeTopic
  readonly ensureGroup: typeof ensureGroup
  readonly removeGroup: typeof removeGroup
  readonly seek: typeof seek
  readonly addMember: typeof addMember
  readonly removeMember: typeof removeMember
  readonly beat: typeof beat
  readonly expel: typeof expel
  readonly claim: typeof claim
  readonly giveBack: typeof giveBack
  readonly putFilter: typeof putFilter
  readonly addToLane: typeof addToLane
  readonly settleLane: typeof settleLane
  readonly unpark: typeof unpark
  readonly putDeadLetters: typeof putDeadLetters
  readonly requeue: typeof requeue
  readonly discard: typeof discard
  readonly dropChunk: typeof dropChunk
  readonly claimRelay: typeof claimRelay
  readonly renewRelay: typeof renewRelay
  readonly releaseRelay: typeof releaseRelay
  readonly settleOutbox: typeof settleOutbox
  readonly resolveOutbox: typeof resolveOutbox
  readonly applyInbox: typeof applyInbox
  readonly enqueue: typeof enqueue
  readonly exchange: typeof exchange
  readonly reclaim: typeof reclaim
  readonly changeTasks: typeof changeTasks
  readonly putQueue: typeof putQueue
  readonly removeQueue: typeof removeQueue
  readonly sweepTasks: typeof sweepTasks
  readonly putSchedule: typeof putSchedule
  readonly removeSchedule: typeof removeSchedule
  readonly fireSchedule: typeof fireSchedule
  readonly putSetting: typeof putSetting
}

export const WRITE_OPERATIONS: WriteOperations = {
  publish,
  settle,
  mark,
  ensureTopic,
  removeTopic,
  ensureGroup,
  removeGroup,
  seek,
  addMember,
  removeMember,
  beat,
  expel,
  claim,
  giveBack,
  putFilter,
  addToLane,
  settleLane,
  unpark,
  putDeadLetters,
  requeue,
  discard,
  dropChunk,
  claimRelay,
  renewRelay,
  releaseRelay,
  settleOutbox,
  resolveOutbox,
  applyInbox,
  enqueue,
  exchange,
  reclaim,
  changeTasks,
  putQueue,
  removeQueue,
  sweepTasks,
  putSchedule,
  removeSchedule,
  fireSchedule,
  putSetting,
}

export type WriteName = keyof WriteOperations
