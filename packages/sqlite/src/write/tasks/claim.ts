import type { TaskClaim } from '@millrace/core/driver'
import { DELAYED, READY, RUNNING, SUSPECT } from '../../task-state.ts'
import type { WriterState } from '../writer-state.ts'
import { makeDue } from './due.ts'
import { type ClaimedRows, type createTexts, NUMBERS } from './exchange-wire.ts'
import { endTask, letGo } from './ending.ts'
import { givePlaces, startOfKey } from './places.ts'
import { countsOfNames } from './ready-merge.ts'
import type { QueueState } from './queue-cache.ts'
import { afterTaking, timeOfTokens, tokensAt } from './rate.ts'
import { handByNumber } from './task-hand.ts'

/** How often one claim looks again because it has met tasks that have expired. */
const MOST_ROUNDS = 8

/** Who claims, and where the texts of what is claimed go. */
export interface Claiming {
  readonly worker: () => number
  readonly texts: ReturnType<typeof createTexts>
  readonly now: number
}

type Row = readonly [
  n: number,
  rank: number,
  since: number,
  starts: number,
  id: string,
  body: string,
  key: string | null,
  tenant: string | null,
  attempts: number,
  crashes: number,
  added: number,
  expires: number | null,
  children: number,
  parent: string | null,
  dedupe: string | null,
  holds: string | null,
  bytes: number,
]

/** Rows that are claimed together: a prefix of the ready ones of one name. */
interface Prefix {
  readonly suspect: number
  readonly nameId: number
  readonly name: string
  readonly rows: readonly Row[]
}

const SELECT = `
  SELECT r.n, r.rank, r.since, r.starts, t.id, t.body, t.key, t.tenant, t.attempts, t.crashes, t.added, t.expires, t.children,
    t.parent, t.dedupe, t.holds, octet_length(t.body)
  FROM task_ready r CROSS JOIN tasks t ON t.n = r.n
  WHERE r.queue = ? AND r.suspect = ? AND r.name = ? ORDER BY r.rank, r.n LIMIT ?`
const OF_PREFIX = 'queue = ?1 AND suspect = ?2 AND name = ?3 AND (rank, n) <= (?4, ?5)'
const RUN = `
  INSERT INTO task_running (n, worker, starts, started)
  SELECT n, ?6, starts + 1, ?7 FROM task_ready WHERE ${OF_PREFIX}`
const LEAVE = `DELETE FROM task_ready WHERE ${OF_PREFIX}`

/** Claims tasks of one queue: what is due first becomes so. */
export function claim(
  state: WriterState,
  { queue: name, names, limit, suspects }: TaskClaim,
  by: Claiming,
): ClaimedRows {
  const queue = state.tasks.queues.get(name)
  const none = { queue: name, names, numbers: new Float64Array(0), rests: [] }
  if (queue === undefined || queue.settings.paused) return { ...none, nextMs: undefined }
  makeDue(state, queue, by.now)
  const { concurrency, rate } = queue.settings
  const places = (concurrency ?? Infinity) - (queue.counts[RUNNING] ?? 0)
  const tokens = rate === undefined ? Infinity : tokensAt(rate, queue.rateAt, by.now)
  const room = Math.max(0, Math.min(limit, places, tokens))
  const nameIds = names.map((each) => state.tasks.names.idOf(each))
  const prefixes = room === 0 ? [] : choose(state, queue, { names, nameIds, room, suspects, now: by.now })
  let taken = 0
  for (const prefix of prefixes) taken += take(state, queue, prefix, by)
  if (rate !== undefined && taken > 0) queue.rateAt = afterTaking(rate, queue.rateAt, by.now, taken)
  givePlaces(state, by.now)
  const encoded = encode(prefixes, names, by)
  return { ...none, ...encoded, nextMs: next() }

  function next(): number | undefined {
    if (queue === undefined || places - taken <= 0) return undefined
    const due = nameIds.some((nameId) => hasReady(state, queue, nameId)) ? by.now : nextDue(state, queue)
    if (due === undefined) return undefined
    const token = rate === undefined ? 0 : timeOfTokens(rate, queue.rateAt, 1)
    return Math.max(0, due - by.now, token - by.now)
  }
}

function nextDue({ sql }: WriterState, { id, counts }: QueueState): number | undefined {
  if ((counts[DELAYED] ?? 0) === 0) return undefined
  return sql.get<{ due: number }>('SELECT due FROM tasks WHERE queue = ? AND state = 1 ORDER BY due LIMIT 1', id)?.due
}

function hasReady(state: WriterState, queue: QueueState, nameId: number): boolean {
  if ((queue.counts[READY] ?? 0) === 0) return false
  const found = state.sql.get(
    'SELECT 1 FROM task_ready WHERE queue = ? AND suspect = 0 AND name = ? LIMIT 1',
    queue.id,
    nameId,
  )
  return found !== undefined
}

interface Choice {
  readonly names: readonly string[]
  readonly nameIds: readonly number[]
  readonly room: number
  readonly suspects: number
  readonly now: number
}

/** The tasks to claim: suspects first, then ready ones, by rank over all names. Those that have expired are ended on the way. */
function choose(state: WriterState, queue: QueueState, choice: Choice): Prefix[] {
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const prefixes: Prefix[] = []
    const wanted = Math.min(choice.suspects, choice.room)
    if (wanted > 0 && (queue.counts[SUSPECT] ?? 0) > 0)
      prefixes.push(...read(state, queue, choice, { suspect: 1, limit: wanted }))
    const left = choice.room - prefixes.reduce((sum, { rows }) => sum + rows.length, 0)
    if (left > 0 && (queue.counts[READY] ?? 0) > 0)
      prefixes.push(...read(state, queue, choice, { suspect: 0, limit: left }))
    let expired = 0
    for (const { rows } of prefixes) {
      for (const [n, , , , , , , , , , , expires] of rows) {
        if (expires === null || expires > choice.now) continue
        const hand = handByNumber(state, n)
        if (hand !== undefined) endTask(state, hand, { as: 'expired', now: choice.now })
        expired += 1
      }
    }
    if (expired === 0) return prefixes
    givePlaces(state, choice.now)
  }
  return []
}

function read(
  state: WriterState,
  queue: QueueState,
  { names, nameIds }: Choice,
  { suspect, limit }: { readonly suspect: number; readonly limit: number },
): Prefix[] {
  const counts = nameIds.length === 1 ? [limit] : countsOfNames(state.sql, { queue: queue.id, suspect, nameIds, limit })
  const prefixes: Prefix[] = []
  for (const [index, nameId] of nameIds.entries()) {
    const count = counts[index] ?? 0
    if (count === 0) continue
    const rows = state.sql.arrays<Row>(SELECT, queue.id, suspect, nameId, count)
    if (rows.length > 0) prefixes.push({ suspect, nameId, name: names[index] ?? '', rows })
  }
  return prefixes
}

function take(state: WriterState, queue: QueueState, { suspect, nameId, rows }: Prefix, by: Claiming): number {
  const last = rows.at(-1)
  if (last === undefined) return 0
  const workerId = by.worker()
  const place = [queue.id, suspect, nameId, last[1], last[0]] as const
  state.sql.run(RUN, ...place, workerId, by.now)
  state.sql.run(LEAVE, ...place)
  const from = suspect === 1 ? SUSPECT : READY
  const hasRate = queue.settings.key.rate !== undefined
  queue.counts[from] = (queue.counts[from] ?? 0) - rows.length
  queue.counts[RUNNING] = (queue.counts[RUNNING] ?? 0) + rows.length
  queue.changed = true
  for (const [n, , , starts, id, , key, , , , , , children, parent, dedupe, holds, bytes] of rows) {
    if (key !== null && hasRate) startOfKey(state, state.tasks.keys.get(queue.id, key), from, by.now)
    if (holds === 'start') letGo(state, { n, queue: queue.id, dedupe, holds }, 'start')
    state.tasks.keepClaim(id, {
      n,
      queue: queue.id,
      starts: starts + 1,
      started: by.now,
      bytes,
      key,
      dedupe: holds === 'end' ? dedupe : null,
      plain: children === 0 && parent === null,
    })
  }
  return rows.length
}

/** Lays the tasks side by side, in the order of their claim. */
function encode(
  prefixes: readonly Prefix[],
  names: readonly string[],
  { texts, now }: Claiming,
): Pick<ClaimedRows, 'numbers' | 'rests'> {
  const rows = prefixes.length === 1 ? undefined : merged(prefixes)
  const first = prefixes[0]
  const total = rows?.length ?? first?.rows.length ?? 0
  const numbers = new Float64Array(total * NUMBERS)
  const rests: [number, string | undefined, string | undefined, number | undefined, boolean][] = []
  for (let index = 0; index < total; index++) {
    const row = rows?.[index]?.row ?? first?.rows[index]
    if (row === undefined) break
    const name = rows?.[index]?.name ?? first?.name ?? ''
    const [, , since, starts, id, body, key, tenant, attempts, crashes, added, expires, children] = row
    texts.add(id, body)
    const at = index * NUMBERS
    numbers[at] = id.length
    numbers[at + 1] = body.length
    numbers[at + 2] = names.indexOf(name)
    numbers[at + 3] = starts + 1
    numbers[at + 4] = attempts
    numbers[at + 5] = crashes
    numbers[at + 6] = Math.max(0, now - added)
    numbers[at + 7] = Math.max(0, now - since)
    if (key === null && tenant === null && expires === null && children === 0) continue
    const expiresInMs = expires === null ? undefined : Math.max(0, expires - now)
    rests.push([index, key ?? undefined, tenant ?? undefined, expiresInMs, children > 0])
  }
  return { numbers, rests }
}

function merged(prefixes: readonly Prefix[]): { readonly row: Row; readonly name: string }[] {
  return prefixes
    .flatMap(({ rows, name, suspect }) => rows.map((row) => ({ row, name, suspect })))
    .toSorted((a, b) => b.suspect - a.suspect || a.row[1] - b.row[1] || a.row[0] - b.row[0])
}
