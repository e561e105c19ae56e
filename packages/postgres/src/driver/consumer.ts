import { type ConsumeOptions, type Consumer, positionOf, seqOf, type StoredRecord } from '@millrace/core/driver'
import { closedError } from '../database/client.ts'
import { decodeName } from '../name-codec.ts'
import type { Connection } from './connection.ts'
import type { Passenger } from './settling.ts'
import { stayAlive } from './stay-alive.ts'
import { createWaitingReader, type Fetching } from './waiting-reader.ts'

/** The next events of one partition; see `fetch_1`. Before them, if progress went with it, a row with the partitions that are fenced. */
type FetchRow = [
  partition: number,
  /** Whether the mark was stored in the same step. */
  marked: boolean,
  /** Number, recorded time, type, id, key and body of one after the other. */
  events: string,
]

/** Reads the partitions of one member; where it has got to is kept here, for the core keeps the durable progress. */
export function createConsumer(connection: Connection, { topic, group, partitions }: ConsumeOptions): Consumer {
  const { database, changes, pulse } = connection
  const desk = connection.settling.open(group, topic)
  const after = new Map(partitions.map((owned) => [owned.partition, seqOf(owned.after)]))
  const tokens = new Map(partitions.map((owned) => [owned.partition, owned.token]))
  const marks = new Map<number, number>()
  const waiting = createWaitingReader(connection, { topic, group, tokens, after, marks })
  const unwatch = partitions.length > 0 ? pulse.watch(topic) : (): void => {}
  const ended = new AbortController()
  let turn = 0
  let ahead: Promise<readonly FetchRow[] | undefined> | undefined

  /** Asks for what comes next in the open partitions, beginning with another one each time. */
  async function ask(
    max: number,
    paused: ReadonlySet<number> | undefined,
    mark: boolean,
  ): Promise<readonly FetchRow[] | undefined> {
    const open = [...after].filter(([partition]) => paused?.has(partition) !== true)
    if (open.length === 0) return undefined
    const first = turn++ % open.length
    const places = [...open.slice(first), ...open.slice(0, first)]
    const passenger = desk.board()
    const asked = database.arrays<FetchRow>(
      'SELECT * FROM $S.fetch_1($1, $2, $3, $4, $5, $6, $7)',
      topic,
      places.map(([partition]) => partition),
      places.map(([, seq]) => seq),
      max,
      group,
      mark ? places.map(([partition]) => tokens.get(partition) ?? 0) : null,
      passenger?.rows ?? null,
    )
    return passenger === undefined ? asked : withPassenger(asked, passenger)
  }

  /** Keeps what was asked for until the next fetch takes it; progress may wait for that one then. */
  function keep(reply: Promise<readonly FetchRow[] | undefined> | undefined): void {
    const before = ahead
    ahead = reply
    if ((before === undefined) !== (reply === undefined)) desk.expect(reply !== undefined)
  }

  /** Takes what is wanted of a reply; the rest is read again later, for only what is taken moves us on. */
  function take(rows: readonly FetchRow[], max: number, paused?: ReadonlySet<number>): StoredRecord[] {
    const records: StoredRecord[] = []
    for (const row of rows) {
      const [partition, marked] = row
      const most = max - records.length
      if (most <= 0) break
      if (paused?.has(partition) === true) continue
      const last = pushRecords(records, { topic, row, most })
      after.set(partition, last)
      if (marked) marks.set(partition, last)
    }
    return records
  }

  /** Waits until there is something, the caller has had enough, or it is over. */
  async function next(fetching: Fetching): Promise<StoredRecord[]> {
    const { max, paused, signal, mark = false } = fetching
    const signals = [signal, ended.signal]
    const over = (): boolean => signal?.aborted === true || ended.signal.aborted || connection.closing
    while (!over()) {
      const near = waiting.take(fetching)
      if (near.length > 0) return near
      const version = changes.version(topic)
      const wasAhead = ahead !== undefined
      if (!wasAhead && waiting.isAtEnd(version)) {
        await waiting.wait(version, signals)
        continue
      }
      const reply = (await ahead) ?? (await ask(max, paused, mark))
      if (over()) {
        // What was asked for is not lost: the next fetch takes it.
        keep(reply === undefined || ended.signal.aborted ? undefined : Promise.resolve(reply))
        break
      }
      const records = reply === undefined ? [] : take(reply, max, paused)
      // While the caller works on a full batch, the server prepares the next one.
      keep(records.length * 2 > max ? ask(max, paused, mark).catch(() => undefined) : undefined)
      if (records.length > 0) return records
      if (wasAhead) continue
      if ((paused?.size ?? 0) === 0) waiting.sawEnd(version)
      await waiting.wait(version, signals)
    }
    return []
  }

  return {
    async fetch(options) {
      if (connection.closing) throw closedError(database.where)
      const leave = waiting.want(options)
      try {
        return await stayAlive(next(options))
      } catch (error) {
        if (ended.signal.aborted || connection.closing) return []
        throw error
      } finally {
        leave()
      }
    },
    marked(partition) {
      const seq = marks.get(partition)
      return seq === undefined ? undefined : positionOf(seq)
    },
    async settle(progress) {
      if (connection.closing) throw closedError(database.where)
      return { fenced: await desk.settle(progress) }
    },
    async close() {
      if (ended.signal.aborted) return
      ended.abort()
      unwatch()
      keep(undefined)
    },
  }
}

/** Tells the progress that went with a fetch what became of it; gives what was fetched. */
async function withPassenger(asked: Promise<readonly FetchRow[]>, passenger: Passenger): Promise<readonly FetchRow[]> {
  try {
    const [first, ...rows] = await asked
    passenger.arrived(first?.[2] ? first[2].split(',').map(Number) : [])
    return rows
  } catch (error) {
    passenger.failed(error)
    throw error
  }
}

/** Appends the first `most` events of a row to the records; gives the number of the last. */
function pushRecords(
  records: StoredRecord[],
  { topic, row, most }: { readonly topic: string; readonly row: FetchRow; readonly most: number },
): number {
  const [partition, , events] = row
  const fields = events.split(SEPARATOR)
  const end = Math.min(fields.length, most * FIELDS)
  let seq = 0
  for (let at = 0; at < end; at += FIELDS) {
    seq = Number(fields[at])
    const key = fields[at + 4]
    records.push({
      topic,
      partition,
      position: positionOf(seq),
      id: decodeName(fields[at + 3] ?? ''),
      type: decodeName(fields[at + 2] ?? ''),
      key: key === undefined || key === NOTHING ? undefined : decodeName(key),
      recordedAt: Number(fields[at + 1]),
      body: fields[at + 5] ?? '',
    })
  }
  return seq
}

const FIELDS = 6
/** Parts fields, and stands for one that is absent: neither is in a name or in JSON. */
const SEPARATOR = '\x1f'
const NOTHING = '\x1e'
