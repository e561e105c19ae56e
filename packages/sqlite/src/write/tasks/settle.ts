import type { TaskError } from '@millrace/core/driver'
import { BY_DELAY, BY_RETRY, DONE, RUNNING } from '../../task-state.ts'
import type { WriterState } from '../writer-state.ts'
import { endTask, letGo, removeTasks } from './ending.ts'
import type { ExchangeCall } from './exchange-wire.ts'
import { detach, givePlaces, putOff } from './places.ts'
import type { ClaimFacts } from './task-cache.ts'
import { handByNumber, saveError, type TaskHand } from './task-hand.ts'

const END_CLAIM = 'DELETE FROM task_running WHERE n = ? AND worker = ? AND starts = ?'
const END_FIRST_CLAIMS = `
  DELETE FROM task_running WHERE n IN (SELECT value FROM json_each(?)) AND worker = ? AND starts = 1`
const IS_CANCELLING = 'SELECT 1 FROM task_running WHERE n = ? AND worker = ? AND starts = ? AND cancelling = 1'
const DO = 'UPDATE tasks SET state = 6, ended = ?, end_order = ?, started = ?, starts = ?, output = ? WHERE n = ?'
const SELECT_FACTS = `
  SELECT t.n, t.queue, r.starts, r.started, t.key, octet_length(t.body) AS bytes, NULL AS dedupe, 0 AS plain
  FROM tasks t JOIN task_running r ON r.n = t.n WHERE t.id = ?`

interface Settling {
  readonly workerId: number
  readonly now: number
}

/** Ends claims; the places of those that were not the worker's any more, and how many were. */
export function settleTasks(
  state: WriterState,
  call: ExchangeCall,
  by: Settling,
): { readonly fenced: readonly number[]; readonly ended: number } {
  if (call.ids.length === 0) return { fenced: [], ended: 0 }
  const fenced = doAll(state, call, by) ?? settleOneByOne(state, call, by)
  givePlaces(state, by.now)
  return { fenced, ended: call.ids.length - fenced.length }
}

/**
 * The usual case: all are done, were claimed for the first time, and by this process. Undefined, with nothing changed, when
 * it is another.
 */
function doAll(state: WriterState, call: ExchangeCall, { workerId, now }: Settling): [] | undefined {
  const { ids, starts, outputs, others } = call
  if (others.length > 0) return undefined
  const facts: ClaimFacts[] = []
  const numbers: number[] = []
  for (let index = 0; index < ids.length; index++) {
    const claim = state.tasks.claimOf(ids[index] ?? '')
    if (claim === undefined || !claim.plain || claim.starts !== 1 || starts[index] !== 1) return undefined
    if (state.tasks.queues.find(claim.queue) === undefined) return undefined
    facts.push(claim)
    numbers.push(claim.n)
  }
  state.sql.prepared('SAVEPOINT claims').run()
  const whole = state.sql.run(END_FIRST_CLAIMS, JSON.stringify(numbers), workerId) === ids.length
  state.sql.db.exec(whole ? 'RELEASE claims' : 'ROLLBACK TO claims; RELEASE claims')
  if (!whole) return undefined
  const gone: number[] = []
  for (let index = 0; index < ids.length; index++) {
    const claim = facts[index]
    if (claim === undefined) continue
    state.tasks.dropClaim(ids[index] ?? '')
    if (!complete(state, claim, outputs[index], now)) gone.push(claim.n)
  }
  removeTasks(state, gone)
  return []
}

/** A task that is done, and that nothing else waits for; false when its queue keeps none of these: its rows are to be removed. */
function complete(state: WriterState, claim: ClaimFacts, output: string | undefined, now: number): boolean {
  const { n, started, starts, bytes, key, dedupe } = claim
  const queue = state.tasks.queues.byId(claim.queue)
  const isKept = queue.settings.keep.count > 0
  queue.counts[RUNNING] = (queue.counts[RUNNING] ?? 0) - 1
  if (isKept) {
    state.sql.prepared(DO).run(now, state.tasks.queues.nextNumber(), started, starts, output ?? null, n)
    queue.counts[DONE] = (queue.counts[DONE] ?? 0) + 1
    queue.kept.count += 1
    queue.kept.bytes += bytes + (output === undefined ? 0 : Buffer.byteLength(output))
  }
  letGo(state, { n, queue: claim.queue, dedupe, holds: 'end' }, 'end')
  state.tasks.touch(queue)
  if (key === null) return isKept
  const places = state.tasks.keys.get(claim.queue, key)
  places.held -= 1
  state.tasks.keys.touch(places)
  return isKept
}

function settleOneByOne(state: WriterState, call: ExchangeCall, by: Settling): number[] {
  const { ids, starts, outputs, others } = call
  const fenced: number[] = []
  let other = 0
  for (const [index, id] of ids.entries()) {
    const special = others[other]?.[0] === index ? others[other++] : undefined
    const [, as = 'done', delayMs = 0, error] = special ?? []
    const settle = { id, starts: starts[index] ?? 0, as, delayMs, error, output: outputs[index] }
    if (!settleOne(state, settle, by)) fenced.push(index)
  }
  return fenced
}

interface Settle {
  readonly id: string
  readonly starts: number
  readonly as: 'done' | 'dead' | 'cancelled' | 'expired' | 'retry' | 'release'
  readonly delayMs: number
  readonly error: TaskError | undefined
  readonly output: string | undefined
}

/** False when the claim is over. */
function settleOne(state: WriterState, { id, starts, as, ...how }: Settle, { workerId, now }: Settling): boolean {
  const facts = state.tasks.claimOf(id) ?? state.sql.get<ClaimFacts>(SELECT_FACTS, id)
  state.tasks.dropClaim(id)
  if (facts === undefined) return false
  const goesBack = as === 'retry' || as === 'release'
  const cancelling = goesBack && state.sql.get(IS_CANCELLING, facts.n, workerId, starts) !== undefined
  if (state.sql.run(END_CLAIM, facts.n, workerId, starts) === 0) return false
  if (as === 'done' && facts.plain === true) {
    if (!complete(state, { ...facts, starts }, how.output, now)) removeTasks(state, [facts.n])
    return true
  }
  const hand = handByNumber(state, facts.n)
  if (hand === undefined) return true
  hand.state = RUNNING
  hand.starts = starts
  hand.started = facts.started
  if (goesBack) giveBack(state, hand, { ...how, as, cancelling, now })
  else endTask(state, hand, { as, output: how.output, error: how.error, now })
  return true
}

interface GivingBack {
  readonly as: 'retry' | 'release'
  readonly delayMs: number
  readonly error: TaskError | undefined
  readonly cancelling: boolean
  readonly now: number
}

/** A task that goes back to wait anew. */
function giveBack(state: WriterState, hand: TaskHand, how: GivingBack): void {
  const { as, delayMs, error, cancelling, now } = how
  if (as === 'retry') hand.attempts += 1
  if (cancelling) return endTask(state, hand, { as: 'cancelled', error, now })
  if (error !== undefined) saveError(state, hand.n, error)
  detach(state, hand)
  hand.why = as === 'retry' ? BY_RETRY : BY_DELAY
  putOff(state, hand, now + delayMs, now)
}
