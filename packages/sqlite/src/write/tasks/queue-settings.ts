import type { QueueSettings, TaskRate } from '@millrace/core/driver'
import { BY_RATE, DELAYED } from '../../task-state.ts'
import type { WriterState } from '../writer-state.ts'
import { givePlaces } from './places.ts'
import type { QueueState } from './queue-cache.ts'
import type { Touched } from './task-cache.ts'

/** Keys that are looked at when the settings of their queue have changed; the sweep looks at the others. */
const MOST_KEYS = 1_000

interface PutQueue {
  readonly name: string
  readonly expectedVersion: number
  readonly settings: QueueSettings
  readonly note: string
}

/** Stores the settings of a queue if nobody was faster, and lets what waited at a limit that is now wider move up. */
export function putQueue(
  state: WriterState,
  { name, expectedVersion, settings, note }: PutQueue,
): { readonly version: number; readonly touched: Touched } | undefined {
  const known = state.tasks.queues.get(name)
  if ((known?.version ?? 0) !== expectedVersion) return undefined
  const queue = state.tasks.queues.ensure(name)
  const before = queue.settings
  queue.version += 1
  queue.settings = settings
  state.sql.run(
    'UPDATE task_queues SET version = ?, settings = ?, note = ? WHERE id = ?',
    queue.version,
    JSON.stringify(settings),
    note,
    queue.id,
  )
  if (!isSameRate(before.rate, settings.rate)) queue.rateAt = 0
  applyToKeys(state, queue, before)
  queue.changed = true
  state.tasks.touch(queue)
  giveWiderPlaces(state, queue, '', Math.floor(state.now()))
  return { version: queue.version, touched: state.tasks.finish() }
}

/** Removes a queue without tasks. */
export function removeQueue(state: WriterState, { name }: { readonly name: string }): boolean {
  const queue = state.tasks.queues.get(name)
  if (queue === undefined || queue.counts.some((count) => count > 0)) return false
  for (const table of ['task_keys', 'task_tenants', 'task_dedupe']) {
    state.sql.run(`DELETE FROM ${table} WHERE queue = ?`, queue.id)
  }
  state.sql.run('DELETE FROM task_queues WHERE id = ?', queue.id)
  state.tasks.clear()
  return true
}

/** Gives places to waiting tasks of some keys after the one named; returns the last one looked at. */
export function giveWiderPlaces(state: WriterState, queue: QueueState, after: string, now: number): string | undefined {
  const keys = state.sql.arrays<[key: string]>(
    `SELECT key FROM task_keys WHERE queue = ? AND waiting > 0 AND key > ? ORDER BY key LIMIT ${MOST_KEYS}`,
    queue.id,
    after,
  )
  for (const [key] of keys) state.tasks.keys.touch(state.tasks.keys.get(queue.id, key))
  givePlaces(state, now)
  return keys.length < MOST_KEYS ? undefined : keys.at(-1)?.[0]
}

function applyToKeys(state: WriterState, { id, settings }: QueueState, before: QueueSettings): void {
  const { sql } = state
  if (before.key.order !== settings.key.order) {
    sql.run(`UPDATE tasks SET turn = ${settings.key.order ? 'n' : 'rank'} WHERE queue = ? AND state = 2`, id)
  }
  if (isSameRate(before.key.rate, settings.key.rate)) return
  // What is held for a token of the former rate asks again; the buckets begin full. What is ready is counted only under a rate.
  state.tasks.keys.save()
  sql.run(`UPDATE tasks SET due = 0 WHERE queue = ? AND state = ${DELAYED} AND why = ${BY_RATE}`, id)
  sql.run('UPDATE task_keys SET rate_at = 0, ready = 0 WHERE queue = ?', id)
  sql.run(
    `UPDATE task_keys SET ready = c.ready FROM (
       SELECT t.key, count(*) AS ready FROM task_ready r JOIN tasks t ON t.n = r.n
       WHERE r.queue = ?1 AND r.suspect = 0 AND t.key IS NOT NULL GROUP BY t.key) c
     WHERE task_keys.queue = ?1 AND task_keys.key = c.key`,
    id,
  )
  state.tasks.keys.clear()
}

function isSameRate(one: TaskRate | undefined, other: TaskRate | undefined): boolean {
  return one?.limit === other?.limit && one?.perMs === other?.perMs
}
