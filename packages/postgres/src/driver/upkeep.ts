import type { Runtime, Timer } from '@millrace/core/driver'
import type { Database } from '../database/database.ts'
import type { Settings } from '../settings.ts'

/** Retention, new segments and the dropping of old ones, in the background of every process; one at a time does the work. */
export interface Upkeep {
  /** Something was stored, in a topic with a limit or without. */
  published(limited: boolean): void
  /** A retention was changed, or a topic removed: look soon. */
  wanted(): void
  close(): void
}

/** Rows dropped in one statement. */
const CHUNK = 2_000
/** How often to look although this process has stored nothing, in milliseconds. */
const IDLE_EVERY_MS = 120_000
/** Segments grow slowly: so many looks for limits come to one for segments. */
const SEGMENTS_EVERY_MS = 30_000
/** While somebody reads in a long transaction no segment can be dropped, and each try holds up publishes for a moment. */
const DROP_AGAIN_MS = 30_000
/** When to try again after a failure, in milliseconds. */
const FAILED_AGAIN_MS = 5_000

export function createUpkeep({
  settings,
  runtime,
  database,
}: {
  readonly settings: Settings
  readonly runtime: Runtime
  readonly database: Database
}): Upkeep {
  let timer: Timer | undefined
  let dueAt = Infinity
  let busy = false
  let failed = false
  let closed = false
  let again = false
  let dropAfter = 0

  function within(ms: number): void {
    if (closed) return
    const at = runtime.monotonic() + ms
    if (busy || at >= dueAt) {
      again ||= busy && ms < SEGMENTS_EVERY_MS
      return
    }
    dueAt = at
    timer?.cancel()
    timer = runtime.setTimer(look, ms)
  }

  function look(): void {
    busy = true
    dueAt = Infinity
    void upkeep()
      .catch((error: unknown) => {
        if (!failed && !closed)
          runtime.log.warn('upkeep failed; it is tried again', { engine: database.where, error: String(error) })
        failed = true
        return Math.max(settings.retentionEveryMs, FAILED_AGAIN_MS)
      })
      .then((nextMs) => {
        busy = false
        const ms = again ? Math.min(nextMs, settings.retentionEveryMs) : nextMs
        again = false
        within(ms)
      })
  }

  /** Gives the milliseconds until there may be more to do. What fails for one topic keeps no other from its turn. */
  async function upkeep(): Promise<number> {
    const due = await database.rows<DueTopic>(LOOK, settings.segmentEvents, settings.segmentAgeMs)
    const failures: unknown[] = []
    let dropped = 0
    for (const topic of due) {
      if (closed) break
      try {
        dropped += await keep(topic)
      } catch (error) {
        failures.push(error)
      }
    }
    while (!closed && runtime.monotonic() >= dropAfter && (await dropDoomed())) dropped += 1
    if (failures.length > 0) throw failures[0]
    failed = false
    return dropped > 0 ? settings.retentionEveryMs : IDLE_EVERY_MS
  }

  async function keep({ name, limited, rotate }: DueTopic): Promise<number> {
    if (rotate)
      await database.run('SELECT $S.rotate_1($1, $2, $3)', name, settings.segmentEvents, settings.segmentAgeMs)
    return limited ? dropOld(name) : 0
  }

  async function dropOld(topic: string): Promise<number> {
    let all = 0
    for (;;) {
      const row = await database.first<{ dropped: number }>('SELECT $S.drop_old_1($1, $2) AS dropped', topic, CHUNK)
      const dropped = row?.dropped ?? 0
      all += dropped
      if (dropped < CHUNK / 2 || closed) return all
    }
  }

  async function dropDoomed(): Promise<boolean> {
    const row = await database.first<{ id: number | null; left: boolean }>(DROP_DOOMED)
    if (typeof row?.id === 'number') return true
    if (row?.left === true) dropAfter = runtime.monotonic() + DROP_AGAIN_MS
    return false
  }

  within(IDLE_EVERY_MS / 60)
  return {
    published: (limited) => within(limited ? settings.retentionEveryMs : SEGMENTS_EVERY_MS),
    wanted: () => within(settings.retentionEveryMs),
    close() {
      closed = true
      timer?.cancel()
    },
  }
}

/** A topic that `LOOK` has found. */
interface DueTopic {
  readonly name: string
  readonly limited: boolean
  readonly rotate: boolean
}

const DROP_DOOMED = `
  SELECT d.id, d.id IS NULL AND EXISTS (SELECT 1 FROM $S.doomed_segments) AS left FROM (SELECT $S.drop_doomed_1() AS id) d`

/** The topics that have limits and hold something, or whose segment is large or old; one row without a name for doomed segments. */
const LOOK = `
  SELECT t.name, coalesce(t.max_age, t.max_events, t.max_bytes) IS NOT NULL AND h.held > 0 AS limited,
    h.heads > h.start AND (h.heads - h.start >= $1 OR $S.now_ms() - s.opened_at >= $2) AS rotate
  FROM $S.topics t JOIN $S.segments s ON s.id = t.segment
  CROSS JOIN LATERAL (
    SELECT sum(p.head) AS heads, sum(p.head - f.dropped) AS held, (SELECT sum(n) FROM unnest(s.starts) n) AS start
    FROM $S.partitions p JOIN $S.floors f ON f.partition_id = p.id WHERE p.topic = t.id) h
  WHERE (coalesce(t.max_age, t.max_events, t.max_bytes) IS NOT NULL AND h.held > 0)
    OR (h.heads > h.start AND (h.heads - h.start >= $1 OR $S.now_ms() - s.opened_at >= $2))`
