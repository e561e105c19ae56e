import type { HeartbeatOptions, Runtime, Timer, TopicChanges } from '@millrace/core/driver'
import type { Database } from '../database/database.ts'
import type { Settings } from '../settings.ts'
import { createBackupBeats } from './backup-beats.ts'
import type { Notices } from './notices.ts'

/**
 * One statement now and then for everything that must not stop: it counts up for the members of this process and looks whether the
 * topics that somebody waits for have grown.
 */
export interface Pulse {
  join(member: string, group: string, beat: HeartbeatOptions): void
  leave(member: string): void
  /** The living members of a group, who count as beaten now: whoever asks counts up for them in the same statement. */
  beatWith(group: string): readonly string[]
  /** One more who waits for a topic, until the function given is called. */
  watch(topic: string): () => void
  close(): void
}

export interface PulseOptions {
  readonly settings: Settings
  readonly runtime: Runtime
  readonly database: Database
  readonly changes: TopicChanges
  readonly notices: Notices
}

interface Member {
  readonly group: string
  readonly beat: HeartbeatOptions
  /** The last sign of life seen, and when it was a new one. */
  seen: number
  seenAt: number
  beatenAt: number
  /** Tells the thread behind us that this one has beaten. */
  readonly beats: Int32Array
}

/** A beat is not due for so many of its intervals, half of a lease, so that the looks of the members take its place. */
const SLACK = 2.5
/** Where notifications arrive, polling is only for what they might lose. */
const SELDOM = 5
/** Where they do not, and events have come lately, polling is quicker. */
const EAGER = 0.1
const LATELY_MS = 10_000

export function createPulse({ settings, runtime, database, changes, notices }: PulseOptions): Pulse {
  const members = new Map<string, Member>()
  const backup = createBackupBeats(settings)
  const topics = new Map<string, { waiting: number; heads: number | undefined }>()
  let lookedAt = runtime.monotonic()
  let grewAt = -Infinity
  let timer: Timer | undefined
  let busy = false
  let closed = false

  function isAlive(member: Member): boolean {
    const now = runtime.monotonic()
    const value = Atomics.load(member.beat.alive, 0)
    if (value !== member.seen) member.seenAt = now
    member.seen = value
    return now - member.seenAt < member.beat.aliveWithinMs
  }

  function noteBeat(member: Member, now: number): void {
    member.beatenAt = now
    Atomics.add(member.beats, 0, 1)
  }

  function lookEveryMs(): number {
    if (notices.arriving) return settings.pollEveryMs * SELDOM
    return settings.pollEveryMs * (runtime.monotonic() - grewAt < LATELY_MS ? EAGER : 1)
  }

  function dueIn(): number {
    const now = runtime.monotonic()
    let due = topics.size > 0 ? lookedAt + lookEveryMs() - now : Infinity
    for (const { beat, beatenAt } of members.values()) due = Math.min(due, beatenAt + beat.everyMs * SLACK - now)
    return due
  }

  function schedule(): void {
    timer?.cancel()
    timer = undefined
    const due = dueIn()
    if (closed || busy || due === Infinity) return
    timer = runtime.setTimer(tick, Math.max(1, due))
  }

  function tick(): void {
    timer = undefined
    if (dueIn() > 1) return schedule()
    busy = true
    void beat().finally(() => {
      busy = false
      schedule()
    })
  }

  async function beat(): Promise<void> {
    const now = runtime.monotonic()
    const living = [...members].filter(([, member]) => isAlive(member)).map(([name]) => name)
    for (const member of members.values()) noteBeat(member, now)
    lookedAt = now
    if (living.length === 0 && topics.size === 0) return
    try {
      note(await database.rows<Head>('SELECT * FROM $S.pulse_1($1, $2)', living, [...topics.keys()]))
    } catch {
      // The next beat tries again; who waits for longer than the lease is told by its own calls.
    }
  }

  function note(rows: readonly Head[]): void {
    const grown: string[] = []
    for (const { topic, heads } of rows) {
      const watched = topics.get(topic)
      if (watched === undefined) continue
      if (watched.heads !== heads) grown.push(topic)
      watched.heads = heads
    }
    if (grown.length === 0) return
    grewAt = runtime.monotonic()
    changes.announce(grown)
  }

  return {
    join(member, group, beat) {
      const now = runtime.monotonic()
      const beats = new Int32Array(new SharedArrayBuffer(4))
      members.set(member, { group, beat, seen: Atomics.load(beat.alive, 0), seenAt: now, beatenAt: now, beats })
      backup.start({ member, beats, ...beat })
      schedule()
    },
    leave(member) {
      members.delete(member)
      backup.stop(member)
      schedule()
    },
    beatWith(group) {
      const living = [...members].filter(([, member]) => member.group === group && isAlive(member))
      for (const [, member] of living) noteBeat(member, runtime.monotonic())
      return living.map(([name]) => name)
    },
    watch(topic) {
      notices.listen()
      const watched = topics.get(topic) ?? { waiting: 0, heads: undefined }
      watched.waiting += 1
      topics.set(topic, watched)
      if (timer === undefined) schedule()
      let left = false
      return () => {
        if (left) return
        left = true
        watched.waiting -= 1
        if (watched.waiting === 0) topics.delete(topic)
      }
    },
    close() {
      closed = true
      timer?.cancel()
      backup.close()
    },
  }
}

interface Head {
  readonly topic: string
  readonly heads: number
}
