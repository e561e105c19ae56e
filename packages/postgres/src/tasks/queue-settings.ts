import { DEFAULT_QUEUE_SETTINGS, type QueueSettings, type QueueStatus } from '@millrace/core/driver'
import type { Connection } from '../driver/connection.ts'
import type { Database } from '../database/database.ts'
import { decodeName, encodeName } from '../name-codec.ts'

const MOST_COUNTED = 10_000

/** Stores the settings of a queue, under the lock that limits are kept under. */
export async function putQueue(
  { database }: Connection,
  queue: {
    readonly name: string
    readonly expectedVersion: number
    readonly settings: QueueSettings
    readonly note: string
  },
): Promise<{ readonly version: number } | undefined> {
  const { settings } = queue
  const { key, keep, keepDead } = settings
  const row = await database.first<{ version: number | null }>(
    'SELECT $S.put_queue_1($1, $2, $3, $4, $5) AS version',
    encodeName(queue.name),
    queue.expectedVersion,
    encodeName(JSON.stringify(settings)),
    encodeName(queue.note),
    JSON.stringify({
      paused: settings.paused,
      concurrency: settings.concurrency,
      rate_limit: settings.rate?.limit,
      rate_per: settings.rate?.perMs,
      max_waiting: settings.maxWaiting,
      key_order: key.order,
      key_concurrency: key.order ? 1 : key.concurrency,
      key_limit: key.rate?.limit,
      key_per: key.rate?.perMs,
      key_gated: key.order || key.concurrency !== undefined || key.rate !== undefined,
      fair: Math.round(settings.fairMs),
      keep_age: bound(keep.ageMs),
      keep_count: bound(keep.count),
      keep_bytes: bound(keep.bytes),
      dead_age: bound(keepDead.ageMs),
      dead_count: bound(keepDead.count),
      dead_bytes: bound(keepDead.bytes),
    }),
  )
  return typeof row?.version === 'number' ? { version: row.version } : undefined
}

/** Removes a queue without tasks, once nobody is in the midst of adding some. */
export async function removeQueue({ database }: Connection, name: string): Promise<boolean> {
  return database.transaction(async (sql) => {
    await sql.run("SELECT set_config('lock_timeout', '2s', true)")
    await sql.run('LOCK TABLE $S.task_lanes IN ACCESS EXCLUSIVE MODE')
    return (
      (await sql.run(
        'DELETE FROM $S.task_queues q WHERE q.name = $1 AND NOT EXISTS (SELECT 1 FROM $S.tasks t WHERE t.queue = q.id)',
        encodeName(name),
      )) === 1
    )
  })
}

/** All queues with what is in them. */
export async function queueStatuses(database: Database): Promise<readonly QueueStatus[]> {
  const rows = await database.rows<StoredQueue>('SELECT * FROM $S.queue_statuses_1($1)', MOST_COUNTED)
  return rows.map((row): QueueStatus => {
    const settings = row.settings === null ? undefined : (JSON.parse(decodeName(row.settings)) as QueueSettings)
    const counts = Object.values(row.counts)
    return {
      name: decodeName(row.name),
      version: row.version,
      settings: settings === undefined ? DEFAULT_QUEUE_SETTINGS : withAbsent(settings),
      note: decodeName(row.note),
      counts: row.counts,
      exact: counts.every((count) => count <= MOST_COUNTED) && row.ended <= 3 * MOST_COUNTED,
      oldestReadyMs: row.oldest === null ? undefined : Math.max(0, row.oldest),
      nextTokenMs: row.token ?? undefined,
      readyNames: row.ready_names.map(decodeName),
    }
  })
}

interface StoredQueue {
  readonly name: string
  readonly version: number
  readonly settings: string | null
  readonly note: string
  readonly counts: QueueStatus['counts']
  readonly ended: number
  readonly oldest: number | null
  readonly token: number | null
  readonly ready_names: readonly string[]
}

/** JSON leaves out what is undefined; equal settings have equal members. */
function withAbsent(settings: QueueSettings): QueueSettings {
  const { key } = settings
  return {
    ...settings,
    concurrency: settings.concurrency,
    rate: settings.rate,
    maxWaiting: settings.maxWaiting,
    key: { order: key.order, concurrency: key.concurrency, rate: key.rate },
  }
}

function bound(value: number): number {
  return Math.min(Math.max(0, Math.floor(value)), Number.MAX_SAFE_INTEGER)
}
