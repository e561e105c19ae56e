import type { ClaimedTask, TaskClaim, TaskExchange, TaskExchanged, TaskSettle } from '@millrace/core/driver'
import type { Database } from '../database/database.ts'
import type { Connection } from '../driver/connection.ts'
import { decodeName, decodeOptional, encodeName } from '../name-codec.ts'
import { encodeError } from './task-error.ts'
import { noticeOf } from './task-hub.ts'

/** Numbers and queues of the tasks that this process has claimed: a settle finds its row by number. What it has forgotten is found by id. */
export interface ClaimedNumbers {
  readonly byId: Map<string, { readonly n: number; readonly queue: string }>
  /** Where the numbers hold: a standby that is promoted may give some again that the lost primary had given. */
  timeline: number | undefined
}

const MOST_NUMBERS = 200_000

/** One call: settles, notes and claims. */
export async function exchangeTasks(
  { database, notices }: Connection,
  numbers: ClaimedNumbers,
  request: TaskExchange,
): Promise<TaskExchanged> {
  const { worker, settles, notes, claims } = request
  await findNumbers(database, numbers, settles)
  const sent = inOrder(settles, numbers)
  const rows = await database.arrays<Row>(
    'SELECT * FROM $S.exchange_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)',
    encodeName(worker),
    ...settleColumns(sent),
    notes.length === 0 ? null : JSON.stringify(notes.map(noteOf)),
    claims.length === 0 ? null : JSON.stringify(claims.map(claimOf)),
  )
  for (const queue of new Set(sent.map((each) => each.queue))) notices.published(noticeOf(queue))
  const facts = (rows.pop()?.[7] ?? {}) as Partial<Facts>
  for (const { id } of settles) numbers.byId.delete(id)
  if (numbers.byId.size > MOST_NUMBERS || numbers.timeline !== facts.timeline) numbers.byId.clear()
  numbers.timeline = facts.timeline
  const claimed = claims.map((_, at) => ({ tasks: [] as ClaimedTask[], nextMs: facts.next?.[at] ?? undefined }))
  for (const row of rows) {
    const claim = claims[row[0]]
    if (claim !== undefined) claimed[row[0]]?.tasks.push(...tasksOf(row, claim, numbers))
  }
  return {
    settled: answersOf(settles.length, sent, facts.settled ?? undefined),
    claimed,
    cancel: facts.cancel?.map(decodeName) ?? [],
  }
}

/** A settle with the number of its task, and its place in the request. */
interface NumberedSettle {
  readonly settle: TaskSettle
  readonly n: number
  readonly queue: string
  readonly place: number
}

/** Looks up the numbers of tasks that another call has claimed. */
async function findNumbers(database: Database, numbers: ClaimedNumbers, settles: readonly TaskSettle[]): Promise<void> {
  const unknown = settles.filter(({ id }) => !numbers.byId.has(id))
  if (unknown.length === 0) return
  const rows = await database.rows<{ id: string; n: number; queue: string }>(
    'SELECT t.id, t.n, q.name AS queue FROM $S.tasks t JOIN $S.task_queues q ON q.id = t.queue WHERE t.id = ANY ($1::text[])',
    unknown.map(({ id }) => encodeName(id)),
  )
  for (const { id, n, queue } of rows) numbers.byId.set(decodeName(id), { n, queue: decodeName(queue) })
}

/** Each task once, by number: of several settles of one only that of the latest claim can count, and of those the first. */
function inOrder(settles: readonly TaskSettle[], numbers: ClaimedNumbers): readonly NumberedSettle[] {
  const latest = new Map<number, NumberedSettle>()
  for (const [place, settle] of settles.entries()) {
    const known = numbers.byId.get(settle.id)
    if (known === undefined) continue
    const before = latest.get(known.n)
    if (before === undefined || before.settle.starts < settle.starts) latest.set(known.n, { settle, ...known, place })
  }
  return [...latest.values()].toSorted((a, b) => a.n - b.n)
}

/** What a claim got: a value for each task in each column, which is how they travel cheapest. */
type Row = readonly [
  claim: number,
  numbers: string,
  ids: string,
  names: string | null,
  bodies: string,
  ages: string,
  waits: string,
  more: unknown,
]

type More = readonly [
  starts: number,
  attempts: number,
  crashes: number,
  key: string | null,
  tenant: string | null,
  expires: number | null,
  hasChildren: boolean,
]

/** The last row. */
interface Facts {
  /** Places, from 1, of the settles that counted; null when all did. */
  readonly settled: readonly number[] | null
  readonly cancel: readonly string[] | null
  readonly next: readonly (number | null)[]
  /** Of the server. */
  readonly timeline: number
}

function tasksOf(
  [, ns, allIds, allNames, allBodies, allAges, allWaits, allMore]: Row,
  { queue, names: asked }: TaskClaim,
  numbers: ClaimedNumbers,
): ClaimedTask[] {
  const places = ns.split(',')
  const names = allNames?.split(SEPARATOR)
  const bodies = allBodies.split(SEPARATOR)
  const ages = allAges.split(',')
  const waits = allWaits.split(',')
  const more = (allMore ?? []) as readonly More[]
  return allIds.split(SEPARATOR).map((stored, at): ClaimedTask => {
    const id = decodeName(stored)
    const [starts, attempts, crashes, key, tenant, expires, hasChildren] = more[at] ?? PLAIN
    numbers.byId.set(id, { n: Number(places[at]), queue })
    return {
      id,
      queue,
      name: names === undefined ? (asked[0] ?? '') : decodeName(names[at] ?? ''),
      body: decodeName(bodies[at] ?? ''),
      key: decodeOptional(key),
      tenant: decodeOptional(tenant),
      starts,
      attempts,
      crashes,
      ageMs: Math.max(0, Number(ages[at])),
      waitedMs: Math.max(0, Number(waits[at])),
      expiresInMs: expires ?? undefined,
      hasChildren,
    }
  })
}

/** A task at its first start that has nothing special. */
const PLAIN: More = [1, 0, 0, null, null, null, false]

function answersOf(
  count: number,
  sent: readonly NumberedSettle[],
  settled: readonly number[] | undefined,
): ('settled' | 'fenced')[] {
  const all = settled === undefined && sent.length === count
  const answers = Array.from({ length: count }, (): 'settled' | 'fenced' => (all ? 'settled' : 'fenced'))
  if (all) return answers
  const counted = settled === undefined ? sent : settled.map((at) => sent[at - 1])
  for (const each of counted) if (each !== undefined) answers[each.place] = 'settled'
  return answers
}

/** Every way a claim can end, by the number that stands for it. */
const HOW: Readonly<Record<TaskSettle['as'], number>> = {
  done: 1,
  dead: 2,
  cancelled: 3,
  expired: 4,
  retry: 5,
  release: 6,
}

const SEPARATOR = '\x1f'
const NONE = '\x1e'

function settleColumns(sent: readonly NumberedSettle[]): (string | null)[] {
  if (sent.length === 0) return [null, null, null, null, null, null, null]
  const allDone = sent.every(({ settle }) => settle.as === 'done')
  const numbersOf = (value: (each: NumberedSettle) => number): string => `{${sent.map(value).join(',')}}`
  const textsOf = (value: (settle: TaskSettle) => string | undefined): string | null => {
    const values = sent.map(({ settle }) => value(settle))
    return values.every((each) => each === undefined) ? null : values.map((each) => each ?? NONE).join(SEPARATOR)
  }
  return [
    numbersOf(({ n }) => n),
    numbersOf(({ settle }) => settle.starts),
    allDone ? null : numbersOf(({ settle }) => HOW[settle.as]),
    allDone ? null : numbersOf(({ settle }) => Math.max(0, Math.ceil(settle.delayMs))),
    textsOf(({ output }) => output && encodeName(output)),
    textsOf(({ error }) => error && encodeError(error)),
    textsOf(({ error }) => error && encodeName(error.fingerprint)),
  ]
}

function noteOf({ id, starts, progress, log }: TaskExchange['notes'][number]): Record<string, unknown> {
  return { id: encodeName(id), starts, progress: progress && encodeName(progress), log: log.map(encodeName) }
}

function claimOf(
  { queue, names, limit, suspects }: TaskExchange['claims'][number],
  o: number,
): Record<string, unknown> {
  return { o, queue: encodeName(queue), names: names.map(encodeName), lim: limit, suspects }
}
