import { Pool } from 'pg'
import { orderOf } from '../order.ts'
import { callsPerSecond, latencies, percentile, type Work } from '../work.ts'
import type { Figures } from './millrace-work.ts'

/**
 * The limit on PostgreSQL: the bare client, what was asked for in one turn inserted by one statement with `unnest`, at most 500 rows,
 * two at once; read by a cursor over 500 rows with JSON.parse and one update for each read. Rows of the same size, ids indexed, no
 * envelope, no validation, no dedupe, no order, no dispatch.
 */
export async function run(work: Work): Promise<Figures> {
  const pool = new Pool({ connectionString: work.url, max: 4 })
  try {
    await pool.query(`CREATE TABLE IF NOT EXISTS bare_log (pos bigserial PRIMARY KEY, id text, body text);
      CREATE INDEX IF NOT EXISTS bare_log_id ON bare_log (id); CREATE TABLE IF NOT EXISTS bare_place (pos bigint);
      INSERT INTO bare_place SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM bare_place)`)
    const append = bareLog(pool)
    if (work.what === 'publish' || work.what === 'fill') return { value: await publish(append, work) }
    if (work.what === 'consume' || work.what === 'drain') return { value: await consume(pool, work.count) }
    if (work.what === 'roundtrip') return { value: await roundtrip(pool, append, work) }
    return await latency(pool, append, work.count)
  } finally {
    await pool.end()
  }
}

type Append = (n: number) => Promise<void>

/** As many bytes as an envelope adds. */
const ENVELOPE = 'e'.repeat(330)
const IN_FLIGHT = 2
const INSERT = 'INSERT INTO bare_log (id, body) SELECT * FROM unnest($1::text[], $2::text[])'

function bareLog(pool: Pool): Append {
  const waiting: { readonly n: number; resolve(): void; reject(error: unknown): void }[] = []
  let inFlight = 0
  const pump = (): void => {
    while (inFlight < IN_FLIGHT && waiting.length > 0) {
      const batch = waiting.splice(0, 500)
      const ids = batch.map(({ n }) => String(n).padStart(36, '0'))
      const bodies = batch.map(({ n }) => JSON.stringify({ envelope: ENVELOPE, data: orderOf(n) }))
      inFlight += 1
      pool
        .query(INSERT, [ids, bodies])
        .then(
          () => batch.forEach(({ resolve }) => resolve()),
          (error: unknown) => batch.forEach(({ reject }) => reject(error)),
        )
        .finally(() => {
          inFlight -= 1
          setImmediate(pump)
        })
    }
  }
  return (n) =>
    new Promise((resolve, reject) => {
      if (waiting.length === 0) setImmediate(pump)
      waiting.push({ n, resolve, reject })
    })
}

function publish(append: Append, { count, inFlight }: Work): Promise<number> {
  return callsPerSecond(count, inFlight, append)
}

async function consume(pool: Pool, count: number): Promise<number> {
  const started = performance.now()
  for (let seen = 0; seen < count;) seen += await readOnce(pool)
  return (count / (performance.now() - started)) * 1_000
}

async function readOnce(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ pos: string; body: string }>(
    'SELECT pos, body FROM bare_log WHERE pos > (SELECT pos FROM bare_place) ORDER BY pos LIMIT 500',
  )
  for (const { body } of rows) JSON.parse(body)
  const last = rows.at(-1)
  if (last !== undefined) await pool.query('UPDATE bare_place SET pos = $1', [last.pos])
  return rows.length
}

async function roundtrip(pool: Pool, append: Append, work: Work): Promise<number> {
  const started = performance.now()
  await Promise.all([publish(append, work), consume(pool, work.count)])
  return (work.count / (performance.now() - started)) * 1_000
}

async function latency(pool: Pool, append: Append, count: number): Promise<Figures> {
  const values = await latencies(count, async (n) => {
    await append(n)
    await readOnce(pool)
  })
  return { value: percentile(values, 0.5), p99: percentile(values, 0.99) }
}
