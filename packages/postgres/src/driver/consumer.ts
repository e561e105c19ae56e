import type { ConsumeOptions, Consumer, StoredRecord } from '@millrace/core/driver'
import { closedError } from '../database/client.ts'
import { decodeName, decodeOptional } from '../name-codec.ts'
import { positionOf, seqOf } from '../position.ts'
import { encodeProgress } from '../progress-codec.ts'
import type { Connection } from './connection.ts'
import { stayAlive } from './stay-alive.ts'

type FetchRow = [
  partition: number,
  seq: number,
  recorded: number,
  type: string,
  id: string,
  key: string | null,
  body: string,
]

/** What one question to the server gave. */
interface Reply {
  readonly rows: readonly FetchRow[]
  /** The partitions whose mark was stored in the same step. */
  readonly marked: ReadonlySet<number>
}

/** Reads the partitions of one member; where it has got to is kept here, for the core keeps the durable progress. */
export function createConsumer(connection: Connection, { topic, group, partitions }: ConsumeOptions): Consumer {
  const { database, changes, pulse } = connection
  const after = new Map(partitions.map((owned) => [owned.partition, seqOf(owned.after)]))
  const tokens = new Map(partitions.map((owned) => [owned.partition, owned.token]))
  const marks = new Map<number, number>()
  const unwatch = partitions.length > 0 ? pulse.watch(topic) : (): void => {}
  const ended = new AbortController()
  let turn = 0
  let ahead: Promise<Reply | undefined> | undefined

  /** Asks for what comes next in the open partitions, beginning with another one each time. */
  async function ask(max: number, paused: ReadonlySet<number> | undefined, mark: boolean): Promise<Reply | undefined> {
    const open = [...after].filter(([partition]) => paused?.has(partition) !== true)
    if (open.length === 0) return undefined
    const first = turn++ % open.length
    const places = [...open.slice(first), ...open.slice(0, first)]
    const rows = await database.arrays<FetchRow>(
      'SELECT * FROM $S.fetch_1($1, $2, $3, $4, $5, $6)',
      topic,
      places.map(([partition]) => partition),
      places.map(([, seq]) => seq),
      max,
      mark ? group : null,
      places.map(([partition]) => tokens.get(partition) ?? 0),
    )
    const last = rows.at(-1)
    if (last?.[0] !== -1) return { rows, marked: new Set() }
    return { rows: rows.slice(0, -1), marked: new Set(last[6].split(',').map(Number)) }
  }

  /** Takes what is wanted of a reply; the rest is read again later, for only what is taken moves us on. */
  function take({ rows, marked }: Reply, max: number, paused?: ReadonlySet<number>): StoredRecord[] {
    const records: StoredRecord[] = []
    for (const [partition, seq, recordedAt, type, id, key, body] of rows) {
      if (records.length >= max) break
      if (paused?.has(partition) === true) continue
      const names = { id: decodeName(id), type: decodeName(type), key: decodeOptional(key) }
      records.push({ topic, partition, position: positionOf(seq), ...names, recordedAt, body })
      after.set(partition, seq)
      if (marked.has(partition)) marks.set(partition, seq)
    }
    return records
  }

  /** Waits until there is something, the caller has had enough, or it is over. */
  async function next({
    max,
    paused,
    signal,
    mark = false,
  }: Parameters<Consumer['fetch']>[0]): Promise<StoredRecord[]> {
    const over = (): boolean => signal?.aborted === true || ended.signal.aborted || connection.closing
    while (!over()) {
      const version = changes.version(topic)
      const wasAhead = ahead !== undefined
      const reply = (await ahead) ?? (await ask(max, paused, mark))
      if (over()) {
        // What was asked for is not lost: the next fetch takes it.
        if (reply !== undefined) ahead = Promise.resolve(reply)
        break
      }
      ahead = undefined
      const records = reply === undefined ? [] : take(reply, max, paused)
      if (records.length > 0) {
        // While the caller works on a full batch, the server prepares the next one.
        if (records.length * 2 > max) ahead = ask(max, paused, mark).catch(() => undefined)
        return records
      }
      if (!wasAhead) await changes.next(topic, version, [signal, ended.signal])
    }
    return []
  }

  return {
    async fetch(options) {
      if (connection.closing) throw closedError(database.where)
      try {
        return await stayAlive(next(options))
      } catch (error) {
        if (ended.signal.aborted || connection.closing) return []
        throw error
      }
    },
    marked(partition) {
      const seq = marks.get(partition)
      return seq === undefined ? undefined : positionOf(seq)
    },
    async settle(progress) {
      if (connection.closing) throw closedError(database.where)
      const row = await database.first<{ fenced: number[] }>(
        'SELECT $S.settle_1($1, $2, $3) AS fenced',
        group,
        topic,
        JSON.stringify(progress.map(encodeProgress)),
      )
      return { fenced: row?.fenced ?? [] }
    },
    async close() {
      if (ended.signal.aborted) return
      ended.abort()
      unwatch()
    },
  }
}
