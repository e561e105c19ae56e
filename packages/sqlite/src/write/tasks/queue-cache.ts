import { DEFAULT_QUEUE_SETTINGS, type QueueSettings, TASK_STATES } from '@millrace/core/driver'
import type { Statements } from '../../file/statements.ts'

/** One queue as the writer keeps it in mind between transactions. */
export interface QueueState {
  readonly id: number
  readonly name: string
  version: number
  settings: QueueSettings
  /** How many tasks are in each state, by its place in `TASK_STATES`. */
  readonly counts: number[]
  /** What retention looks at: of what is dead, and of what has ended otherwise. Children of a parent that has not ended are not in it. */
  readonly dead: Kept
  readonly kept: Kept
  /** The token bucket, see `rate.ts`. */
  rateAt: number
  /** Counts up when tasks may have become claimable, cancelled or finished. */
  news: number
  changed: boolean
}

/** How much of what has ended is kept. */
export interface Kept {
  count: number
  bytes: number
}

/** The queues and their counts, read once and kept for as long as nobody else writes. */
export interface QueueCache {
  get(name: string): QueueState | undefined
  /** The queue of a task that is there. */
  byId(id: number): QueueState
  /** The queue of a number; undefined when it was removed. */
  find(id: number): QueueState | undefined
  /** The queue of a name; it is made with default settings when it is not there. */
  ensure(name: string): QueueState
  /** The next number of a task, or of an end. */
  nextNumber(): number
  /** Writes what has changed: at the end of each operation. */
  save(): void
  clear(): void
}

interface Row {
  readonly id: number
  readonly name: string
  readonly version: number
  readonly settings: string | null
  readonly counts: string
  readonly kept: string
  readonly rate_at: number
  readonly news: number
}

const SAVE = 'UPDATE task_queues SET counts = ?, kept = ?, rate_at = ?, news = ? WHERE id = ?'

export function createQueueCache(sql: Statements): QueueCache {
  const byName = new Map<string, QueueState>()
  const byId = new Map<number, QueueState>()
  let last: number | undefined
  let lastChanged = false

  function keep(row: Row | undefined): QueueState | undefined {
    if (row === undefined) return undefined
    const [deadCount = 0, deadBytes = 0, keptCount = 0, keptBytes = 0] = JSON.parse(row.kept) as number[]
    const queue: QueueState = {
      id: row.id,
      name: row.name,
      version: row.version,
      settings: settingsFrom(row.settings),
      counts: countsFrom(row.counts),
      dead: { count: deadCount, bytes: deadBytes },
      kept: { count: keptCount, bytes: keptBytes },
      rateAt: row.rate_at,
      news: row.news,
      changed: false,
    }
    byName.set(queue.name, queue)
    byId.set(queue.id, queue)
    return queue
  }

  const get = (name: string): QueueState | undefined =>
    byName.get(name) ?? keep(sql.get<Row>('SELECT * FROM task_queues WHERE name = ?', name))

  const find = (id: number): QueueState | undefined =>
    byId.get(id) ?? keep(sql.get<Row>('SELECT * FROM task_queues WHERE id = ?', id))

  return {
    get,
    find,
    byId(id) {
      const queue = find(id)
      if (queue === undefined) throw new Error(`There is no queue ${id}, but a task of it.`)
      return queue
    },
    ensure(name) {
      const known = get(name)
      if (known !== undefined) return known
      sql.run('INSERT INTO task_queues (name) VALUES (?)', name)
      return get(name) as QueueState
    },
    nextNumber() {
      last ??= sql.get<{ n: number }>('SELECT n FROM task_last')?.n ?? 0
      lastChanged = true
      return ++last
    },
    save() {
      if (lastChanged && last !== undefined) sql.run('UPDATE task_last SET n = ?', last)
      lastChanged = false
      for (const queue of byId.values()) {
        if (!queue.changed) continue
        queue.changed = false
        const { counts, dead, kept, rateAt, news, id } = queue
        const sums = [dead.count, dead.bytes, kept.count, kept.bytes]
        sql.prepared(SAVE).run(JSON.stringify(counts), JSON.stringify(sums), rateAt, news, id)
      }
    },
    clear() {
      byName.clear()
      byId.clear()
      last = undefined
      lastChanged = false
    },
  }
}

/** The settings of a queue as stored, where JSON has left out what is undefined. */
export function settingsFrom(stored: string | null): QueueSettings {
  if (stored === null) return DEFAULT_QUEUE_SETTINGS
  const { key, ...settings } = JSON.parse(stored) as QueueSettings
  return {
    ...DEFAULT_QUEUE_SETTINGS,
    ...settings,
    key: { ...DEFAULT_QUEUE_SETTINGS.key, ...key },
  }
}

/** The counts of a queue as stored. */
export function countsFrom(stored: string): number[] {
  const counts = JSON.parse(stored) as number[]
  return TASK_STATES.map((_, state) => counts[state] ?? 0)
}
