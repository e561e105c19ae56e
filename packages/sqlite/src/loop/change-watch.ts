import type { Timer } from '@millrace/core/driver'
import { watch as watchFile } from 'node:fs'
import type { Statements } from '../file/statements.ts'
import type { Host } from './host.ts'

/**
 * The file watch fires before the commit is visible, which is when the disk has synced it: so after a hint, and after what was
 * seen, we look again at these distances, in milliseconds, and then at ones twice as long as the last, until the slow look is as near.
 */
const LOOK_AGAIN_MS = [0, 1, 1]
/** The least time between two looks while hints keep coming, in milliseconds. */
const LEAST_BETWEEN_MS = 2
/** How often to look without threads, where no file is watched, in milliseconds. */
const INLINE_POLL_MS = 10

/**
 * Notices commits of other connections, for the topics that somebody waits for, and for queues. On the connection that writes it
 * does not see those of this process, which are told with their replies.
 */
export interface ChangeWatch {
  /** One more or one less who waits for a topic. */
  count(change: { readonly topic: string; readonly by: 1 | -1 }): void
  /** One more or one less who wants to know of queues. */
  countQueues(change: { readonly by: 1 | -1 }): void
  close(): void
}

interface Watched {
  waiting: number
  heads: number
}

const SELECT_HEADS = `
  SELECT total(p.head) AS heads FROM partitions p WHERE p.topic = (SELECT id FROM topics WHERE name = ?)`

export function createChangeWatch(host: Host, sql: Statements): ChangeWatch {
  const { settings } = host
  const topics = new Map<string, Watched>()
  const queues = new Map<string, number>()
  let wantQueues = 0
  let version = versionOf()
  let poll: Timer | undefined
  let again: Timer | undefined
  /** How long the next look is put off, in milliseconds. */
  let rests = 0
  /** Looks in vain since the last hint, or since something was seen. */
  let looks = 0
  let lookedAt = 0
  let stopWatching: (() => void) | undefined

  function versionOf(): unknown {
    return sql.prepared('PRAGMA data_version').get()?.['data_version']
  }

  function headsOf(topic: string): number {
    return sql.get<{ heads: number }>(SELECT_HEADS, topic)?.heads ?? 0
  }

  /** Whether anything was committed since the last look; tells which of the watched topics grew. */
  function look(): boolean {
    lookedAt = host.monotonic()
    const now = versionOf()
    if (now === version) return false
    version = now
    const grown: string[] = []
    for (const [topic, watched] of topics) {
      const heads = headsOf(topic)
      if (heads !== watched.heads) grown.push(topic)
      watched.heads = heads
    }
    if (grown.length > 0) host.changed(grown)
    lookAtQueues()
    return true
  }

  function lookAtQueues(): void {
    if (wantQueues === 0) return
    const changed: (readonly [string, number])[] = []
    for (const row of sql.arrays<[name: string, news: number]>('SELECT name, news FROM task_queues')) {
      if (queues.get(row[0]) === row[1]) continue
      queues.set(row[0], row[1])
      changed.push(row)
    }
    if (changed.length > 0) host.queuesChanged(changed)
  }

  function isWanted(): boolean {
    return topics.size > 0 || wantQueues > 0
  }

  function hint(): void {
    if (!isWanted()) return
    looks = 0
    if (again !== undefined && rests <= LEAST_BETWEEN_MS) return
    again?.cancel()
    lookSoon(Math.max(0, lookedAt + LEAST_BETWEEN_MS - host.monotonic()))
  }

  function lookSoon(ms: number): void {
    rests = ms
    again = host.setTimer(() => {
      again = undefined
      looks = look() ? 0 : looks + 1
      const next = LOOK_AGAIN_MS[looks] ?? rests * 2
      if (next < settings.pollEveryMs) lookSoon(next)
    }, ms)
  }

  function start(): void {
    const every = settings.threads ? settings.pollEveryMs : INLINE_POLL_MS
    const tick = (): void => {
      look()
      poll = host.setTimer(tick, every)
    }
    look()
    poll = host.setTimer(tick, every)
    if (!settings.threads) return
    stopWatching = watchWal(`${settings.path}-wal`, hint)
    // A commit that was written before the watch began and is still being synced gives no hint.
    looks = 0
    lookSoon(0)
  }

  function stop(): void {
    poll?.cancel()
    again?.cancel()
    again = undefined
    stopWatching?.()
    stopWatching = undefined
  }

  return {
    count({ topic, by }) {
      if (!isWanted()) start()
      const watched = topics.get(topic) ?? { waiting: 0, heads: headsOf(topic) }
      watched.waiting += by
      if (watched.waiting > 0) topics.set(topic, watched)
      else topics.delete(topic)
      if (!isWanted()) stop()
    },
    countQueues({ by }) {
      if (!isWanted()) start()
      wantQueues += by
      if (by === 1) lookAtQueues()
      if (!isWanted()) stop()
    },
    close: stop,
  }
}

/** Watches the write-ahead log; where that is not possible (some file systems), the slow look remains. */
function watchWal(path: string, hint: () => void): () => void {
  try {
    const watcher = watchFile(path, { persistent: false }, hint)
    watcher.on('error', () => watcher.close())
    return () => watcher.close()
  } catch {
    return () => {}
  }
}
