import type { Statements } from '../../file/statements.ts'

const MOST_CACHED = 20_000

/** One key of a queue: who has a place, and who waits for one. */
export interface KeyState {
  readonly queue: number
  readonly key: string
  /** Tasks that have a place. */
  held: number
  waiting: number
  /** Tasks that are ready, suspects not counted; kept only in a queue with a rate for keys. */
  ready: number
  /** Tasks that have a place and wait for a token of the key: at most one. */
  holding: number
  /** The token bucket, see `rate.ts`. */
  rateAt: number
}

/** The keys, read when they are needed and kept for as long as nobody else writes. */
export interface KeyCache {
  get(queue: number, key: string): KeyState
  /** Notes that a key was changed, so that perhaps a place is free. */
  touch(state: KeyState): void
  /** Takes the keys that were touched since the last time. */
  takeTouched(): readonly KeyState[]
  /** Writes what has changed: at the end of each operation. */
  save(): void
  clear(): void
}

const SAVE = `
  INSERT INTO task_keys (queue, key, held, waiting, ready, holding, rate_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
  ON CONFLICT DO UPDATE SET held = ?3, waiting = ?4, ready = ?5, holding = ?6, rate_at = ?7`

/** Whether a key looks like one that was never used. */
function isIdle({ held, waiting, rateAt }: KeyState): boolean {
  return held === 0 && waiting === 0 && rateAt === 0
}

export function createKeyCache(sql: Statements): KeyCache {
  const byQueue = new Map<number, Map<string, KeyState>>()
  const changed = new Set<KeyState>()
  const touched = new Set<KeyState>()
  let size = 0
  const clear = (): void => {
    byQueue.clear()
    changed.clear()
    touched.clear()
    size = 0
  }
  const load = (queue: number, key: string): KeyState => {
    const row = sql.get<Omit<KeyState, 'queue' | 'key'>>(
      'SELECT held, waiting, ready, holding, rate_at AS rateAt FROM task_keys WHERE queue = ? AND key = ?',
      queue,
      key,
    )
    size += 1
    return { held: 0, waiting: 0, ready: 0, holding: 0, rateAt: 0, ...row, queue, key }
  }
  return {
    get(queue, key) {
      let keys = byQueue.get(queue)
      if (keys === undefined) byQueue.set(queue, (keys = new Map()))
      let state = keys.get(key)
      if (state === undefined) keys.set(key, (state = load(queue, key)))
      return state
    },
    touch(state) {
      changed.add(state)
      touched.add(state)
    },
    takeTouched() {
      const keys = [...touched]
      touched.clear()
      return keys
    },
    save() {
      for (const state of changed) {
        if (isIdle(state)) {
          sql.run('DELETE FROM task_keys WHERE queue = ? AND key = ?', state.queue, state.key)
          if (byQueue.get(state.queue)?.delete(state.key) === true) size -= 1
          continue
        }
        const { queue, key, held, waiting, ready, holding, rateAt } = state
        sql.prepared(SAVE).run(queue, key, held, waiting, ready, holding, rateAt)
      }
      changed.clear()
      if (size > MOST_CACHED) clear()
    },
    clear,
  }
}
