import type { QueueStatus } from '../driver/task-admin.ts'
import type { TaskRow } from '../driver/task.ts'
import { hasEnded } from './ended-task.ts'
import type { KnownWork } from './worker-processes.ts'
import type { TaskExplanation, WaitReason } from './task-explanation.ts'

/** What is known when somebody asks why a task waits. */
export interface ExplainFacts {
  readonly row: TaskRow
  readonly queue: QueueStatus | undefined
  /** Others of its key that are ready or running. */
  readonly keyHolders: readonly TaskRow[]
  /** Undefined when it is neither ready nor waiting. */
  readonly ahead: number | undefined
  readonly counted: number
  /** Milliseconds since the epoch. */
  readonly now: number
  /** What living workers take. */
  readonly known: KnownWork
}

/** Why a task waits: the reasons from the facts, those first that hold it up by themselves. Pure. */
export function explain(facts: ExplainFacts): TaskExplanation {
  const { row } = facts
  const reasons = hasEnded(row) ? [{ kind: 'ended' } as const] : reasonsOf(facts)
  const first = reasons[0]
  const text = first === undefined ? 'It is ready: the next worker that has room takes it.' : sentence(first, row)
  return { id: row.id, state: row.state, text, reasons }
}

function reasonsOf(facts: ExplainFacts): readonly WaitReason[] {
  const { row } = facts
  if (row.state === 'running')
    return [
      { kind: 'running', worker: row.worker, since: row.startedAt === undefined ? undefined : time(row.startedAt) },
    ]
  return [...ownReasons(facts), ...queueReasons(facts), ...lineReasons(facts)]
}

/** Those of the task itself. */
function ownReasons({ row, keyHolders }: ExplainFacts): readonly WaitReason[] {
  if (row.state === 'blocked') return [{ kind: 'children', pending: row.pendingChildren }]
  if (row.state === 'delayed' && row.delayedBy === 'rate' && row.key !== undefined)
    return [{ kind: 'key-rate', key: row.key, until: time(row.dueAt) }]
  if (row.state === 'delayed')
    return [{ kind: 'delayed', until: time(row.dueAt), by: row.delayedBy === 'retry' ? 'retry' : 'delay' }]
  if (row.state === 'waiting' && row.key !== undefined)
    return [{ kind: 'key-busy', key: row.key, running: keyHolders.map((holder) => holder.id) }]
  return row.state === 'suspect' ? [{ kind: 'suspect', crashes: row.crashes }] : []
}

/** Those of the queue: they hold for all of its tasks. */
function queueReasons({ row, queue, known }: ExplainFacts): readonly WaitReason[] {
  const reasons: WaitReason[] = []
  if (queue?.settings.paused === true) reasons.push({ kind: 'queue-paused' })
  if (!known.takes(row.queue, row.name)) {
    const elsewhere = known.queuesOf(row.name)
    reasons.push({ kind: 'no-worker', name: row.name, ...(elsewhere.length === 0 ? {} : { elsewhere }) })
  }
  const limit = queue?.settings.concurrency
  const running = queue?.counts.running ?? 0
  if (limit !== undefined && running >= limit) reasons.push({ kind: 'queue-concurrency', limit, running })
  return reasons
}

function lineReasons({ row, queue, ahead, counted, now }: ExplainFacts): readonly WaitReason[] {
  const reasons: WaitReason[] = []
  const rate = queue?.settings.rate
  const { nextTokenMs = 0 } = queue ?? {}
  if (rate !== undefined && nextTokenMs > 0 && (row.state === 'ready' || row.state === 'suspect'))
    reasons.push({ kind: 'queue-rate', limit: rate.limit, per: rate.perMs, until: time(now + nextTokenMs) })
  if (ahead !== undefined && ahead > 0) reasons.push({ kind: 'behind', ahead, atLeast: ahead >= counted })
  return reasons
}

function sentence(reason: WaitReason, row: TaskRow): string {
  switch (reason.kind) {
    case 'delayed':
      return reason.by === 'retry'
        ? `It failed ${row.attempts} time${row.attempts === 1 ? '' : 's'} and is tried again at ${reason.until}.`
        : `It is delayed until ${reason.until}.`
    case 'key-rate':
      return `Its key "${reason.key}" has used up its rate; it goes on at ${reason.until}.`
    case 'key-busy':
      return `Its key "${reason.key}" is busy with ${reason.running.length === 0 ? 'tasks that were added before it' : reason.running.join(', ')}.`
    case 'children':
      return `It waits for ${reason.pending} of its children to end.`
    case 'queue-paused':
      return `Its queue "${row.queue}" is paused.`
    case 'queue-concurrency':
      return `Its queue runs ${tasks(reason.running)}, and may run ${reason.limit} at once.`
    case 'queue-rate':
      return `Its queue may start ${tasks(reason.limit)} in ${reason.per} ms; the next may start at ${reason.until}.`
    case 'no-worker':
      return reason.elsewhere === undefined
        ? `No living worker knows tasks of the name "${reason.name}".`
        : `No living worker takes tasks of the name "${reason.name}" from the queue "${row.queue}", only from ${reason.elsewhere.map((queue) => `"${queue}"`).join(', ')}.`
    case 'behind':
      return `Before it in its queue: ${reason.atLeast ? 'at least ' : ''}${tasks(reason.ahead)}.`
    case 'suspect':
      return `Its worker died with it ${reason.crashes} time${reason.crashes === 1 ? '' : 's'}; it runs with no other such task beside it.`
    case 'running':
      return `It runs${reason.worker === undefined ? '' : ` in the worker ${reason.worker}`}.`
    case 'ended':
      return `It has ended: ${row.state}.`
  }
}

function tasks(count: number): string {
  return count === 1 ? '1 task' : `${count} tasks`
}

function time(ms: number): string {
  return new Date(ms).toISOString()
}
