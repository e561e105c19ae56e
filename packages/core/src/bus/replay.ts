import { decodeCursor, type Cursor } from '../driver/cursor.ts'
import type { Stores } from '../driver/driver.ts'
import type { StoredRecord } from '../driver/record.ts'
import type { Transport } from '../driver/transport.ts'
import { wait } from '../runtime/abort.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'
import { createEventFilter } from './event-filter.ts'
import { placesOf } from './reading.ts'

/** What to show a group again. */
export interface ReplayOptions {
  /** The group that sees the events again; it must exist. */
  readonly group: string
  readonly topics?: readonly string[]
  readonly types?: readonly string[]
  readonly key?: string
  /** Inclusive; a cursor is exclusive. */
  readonly from: Date | 'earliest' | { readonly cursor: string }
  /** Exclusive. Default: now. */
  readonly to?: Date
  /** Events a second; without limit when absent. */
  readonly rate?: number
  readonly dryRun?: boolean
  readonly signal?: AbortSignal
  /** Called after each batch with the number replayed so far. */
  readonly onProgress?: (replayed: number) => void
}

/** How a replay ended. */
export interface Replayed {
  readonly matched: number
  readonly replayed: number
  readonly dryRun: boolean
}

const OPTIONS: ReadonlySet<string> = new Set<keyof ReplayOptions>([
  ...(['group', 'topics', 'types', 'key', 'from', 'to', 'rate', 'dryRun', 'signal', 'onProgress'] as const),
])
const READ_RECORDS = 1_000
const ROOM_PAUSE_MS = 500
const LANE_CAPACITY = 100_000

/**
 * Puts a range of the log into the side lane of one group, under a new generation. Other groups and the group's own
 * position do not move. Throws `group_unknown`, `replay_invalid`, `position_invalid`, `topic_unknown`.
 */
export async function replay(
  {
    transport,
    stores,
    runtime,
    hint,
  }: {
    readonly transport: Transport
    readonly stores: Stores
    readonly runtime: Runtime
    readonly hint: (group: string) => void
  },
  options: ReplayOptions,
): Promise<Replayed> {
  checkNames(options)
  const { group, dryRun = false, rate, signal } = options
  if (typeof dryRun !== 'boolean') throw invalid('The option "dryRun" of the replay must be true or false.')
  const range = checkRange(options, runtime.now())
  const known = (await transport.list()).groups.find((candidate) => candidate.group === group)
  if (known === undefined) {
    throw new MillraceError(
      'group_unknown',
      `There is no group "${group}". Subscribe with this name first; a new group can also begin at a time with "from".`,
      { facts: { group } },
    )
  }
  const listens = createEventFilter((await stores.leases.observe(group)).filter?.types ?? ['**'])
  const asked = options.types === undefined ? () => true : createEventFilter(options.types)
  const generation = runtime.now()
  const started = runtime.monotonic()
  let matched = 0
  let replayed = 0
  for (const topic of options.topics ?? known.topics) {
    const places = new Map(placesOf(range.cursor, topic))
    for (;;) {
      if (signal?.aborted) return { matched, replayed, dryRun }
      const after = [...places].map(([partition, position]) => ({ partition, position }))
      const records = await transport.read({
        topic,
        after,
        limit: READ_RECORDS,
        ...range.bounds,
        ...(options.key === undefined ? {} : { key: options.key }),
      })
      if (records.length === 0) break
      for (const record of records) places.set(record.partition, record.position)
      const chosen = records.filter((record) => listens(record.type) && asked(record.type))
      matched += chosen.length
      if (dryRun) continue
      for (const part of partsOf(chosen, rate)) {
        if (signal?.aborted) return { matched, replayed, dryRun }
        await addWhenThereIsRoom(part)
        replayed += part.length
        hint(group)
        options.onProgress?.(replayed)
        if (rate !== undefined) await wait(runtime, started + (replayed / rate) * 1_000 - runtime.monotonic(), signal)
      }
    }
  }
  return { matched, replayed, dryRun }

  async function addWhenThereIsRoom(records: readonly StoredRecord[]): Promise<void> {
    const entries = records.map((record) => ({
      group,
      laneKey: record.key,
      record,
      delayMs: 0,
      attempts: 0,
      firstFailedAt: undefined,
      reason: 'replay' as const,
      generation,
    }))
    for (;;) {
      try {
        await stores.lane.add(entries, { capacity: LANE_CAPACITY })
        return
      } catch (error) {
        if (!isMillraceError(error, 'lane_full') || signal?.aborted) throw error
        await wait(runtime, ROOM_PAUSE_MS, signal)
      }
    }
  }
}

/** A condition that is misspelt would be none, and everything would be replayed. */
function checkNames(options: ReplayOptions): void {
  const wrong = wrongOptions(options, OPTIONS)
  if (wrong !== undefined) throw invalid(`The option "${wrong.name ?? 'options'}" of the replay ${wrong.what}.`)
  const { from } = options
  if (from === 'earliest' || from instanceof Date) return
  if (typeof from === 'object' && from !== null && typeof from.cursor === 'string') return
  throw invalid(
    `The replay begins at ${JSON.stringify(from) ?? 'nothing'}; "from" must be "earliest", a Date or { cursor }.`,
  )
}

function checkRange(
  { from, to, rate }: ReplayOptions,
  now: number,
): { readonly cursor: Cursor | undefined; readonly bounds: { readonly since?: number; readonly until: number } } {
  const until = to === undefined ? now + 1 : to.getTime()
  const cursor = typeof from === 'object' && 'cursor' in from ? decodeCursor(from.cursor) : undefined
  const since = from instanceof Date ? from.getTime() : cursor?.time
  if (Number.isNaN(until) || (since !== undefined && Number.isNaN(since)))
    throw invalid('The range of the replay has a date that does not exist.')
  if (since !== undefined && since >= until)
    throw invalid('The replay ends before it begins: "to" must be later than "from".')
  if (rate !== undefined && !(rate > 0))
    throw invalid(`The rate is ${String(rate)}; it must be above 0 events a second.`)
  return { cursor, bounds: { until, ...(since === undefined ? {} : { since }) } }
}

/** At a rate, small parts keep the flow even. */
function partsOf(records: readonly StoredRecord[], rate: number | undefined): readonly (readonly StoredRecord[])[] {
  const size = rate === undefined ? READ_RECORDS : Math.max(1, Math.floor(rate / 10))
  const parts: StoredRecord[][] = []
  for (let at = 0; at < records.length; at += size) parts.push(records.slice(at, at + size))
  return parts
}

function invalid(message: string): MillraceError {
  return new MillraceError('replay_invalid', message)
}
