import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { orderOf } from '../order.ts'
import { callsPerSecond, latencies, percentile, type Measured, type Work } from '../work.ts'

/**
 * The limit on SQLite: the bare client, `node:sqlite` in the main thread (for latency in one of its own), WAL and FULL, rows of the same size,
 * batches of 500 a transaction as the product's, ids indexed, no envelope, no validation, no dispatch.
 */
export async function run(
  work: Work,
): Promise<Omit<Measured, 'engine' | 'engineVersion' | 'durability'> & Partial<Measured>> {
  const path = join(work.folder, 'bare.db')
  const database = new DatabaseSync(path)
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 10000;
    CREATE TABLE IF NOT EXISTS log (pos INTEGER PRIMARY KEY, id TEXT UNIQUE, body TEXT); CREATE TABLE IF NOT EXISTS place (pos INTEGER)`)
  const log = bareLog(database)
  try {
    if (work.what === 'publish' || work.what === 'fill') return { value: await publish(log, work) }
    if (work.what === 'consume' || work.what === 'drain') return { value: consume(database, work.count) }
    if (work.what === 'roundtrip') return { value: await roundtrip(database, log, work) }
    return await latency(path, work.count)
  } finally {
    database.close()
  }
}

interface BareLog {
  append(order: unknown): Promise<void>
}

/** Appends what was asked for in one turn of the event loop in one transaction. */
function bareLog(database: DatabaseSync): BareLog {
  const insert = database.prepare('INSERT INTO log (id, body) VALUES (?, ?)')
  const waiting: { readonly body: string; resolve(): void }[] = []
  let next = (database.prepare('SELECT count(*) AS rows FROM log').get()?.['rows'] ?? 0) as number
  const flush = (): void => {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, 500)
      database.exec('BEGIN IMMEDIATE')
      for (const { body } of batch) insert.run(String(next++).padStart(36, '0'), body)
      database.exec('COMMIT')
      for (const { resolve } of batch) resolve()
    }
  }
  return {
    append(order) {
      if (waiting.length === 0) setImmediate(flush)
      return new Promise((resolve) => waiting.push({ body: padded(order), resolve }))
    },
  }
}

/** As many bytes as an envelope adds. */
const ENVELOPE = 'e'.repeat(330)

function padded(order: unknown): string {
  return JSON.stringify({ envelope: ENVELOPE, data: order })
}

function publish(log: BareLog, { count, inFlight }: Work): Promise<number> {
  return callsPerSecond(count, inFlight, (n) => log.append(orderOf(n)))
}

function consume(database: DatabaseSync, count: number): number {
  const read = database.prepare('SELECT pos, body FROM log WHERE pos > ? ORDER BY pos LIMIT 1000')
  const settle = database.prepare('INSERT INTO place (pos) VALUES (?)')
  const started = performance.now()
  let position = 0
  for (let seen = 0; seen < count;) {
    const rows = read.all(position)
    for (const row of rows) JSON.parse(String(row['body']))
    position = Number(rows.at(-1)?.['pos'])
    settle.run(position)
    seen += rows.length
  }
  return (count / (performance.now() - started)) * 1_000
}

async function roundtrip(database: DatabaseSync, log: BareLog, work: Work): Promise<number> {
  const started = performance.now()
  await publish(log, work)
  consume(database, work.count)
  return (work.count / (performance.now() - started)) * 1_000
}

/** In a thread, for no program wants to stand still while the disk syncs: two messages and a transaction. */
async function latency(path: string, count: number): Promise<{ readonly value: number; readonly p99: number }> {
  const thread = new Worker(new URL('./bare-sqlite-thread.ts', import.meta.url), { workerData: path })
  const values = await latencies(count, async (n) => {
    thread.postMessage({ id: String(n).padStart(36, '0'), body: padded(orderOf(n)) })
    const [body] = await once(thread, 'message')
    JSON.parse(String(body))
  })
  await thread.terminate()
  return { value: percentile(values, 0.5), p99: percentile(values, 0.99) }
}
