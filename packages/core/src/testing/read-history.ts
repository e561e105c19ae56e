import type { HandledEvent, HandleOutcome, HistoryEntry, HistoryStamp, StoreEntry } from './history.ts'

/** One run of a handler from beginning to end. */
export interface Handling extends HandledEvent {
  readonly process: string
  readonly startedAt: number
  /** The line of the history at which it began: the order of entries, also within one millisecond. */
  readonly startLine: number
  /** When it ended or its process died; infinite when neither is known. */
  endedAt: number
  endLine: number
  /** Undefined when its process died. */
  outcome: HandleOutcome | undefined
}

export type Line<Entry> = Entry & HistoryStamp & { readonly line: number }
export type Claim = Line<Extract<StoreEntry, { readonly kind: 'claim' }>>
export type GiveBack = Line<Extract<StoreEntry, { readonly kind: 'give-back' }>>
export type Write = Line<Extract<StoreEntry, { readonly kind: 'write' }>>

/** When an operator asked for events to be seen again by a group. */
export interface SeenAgain {
  readonly group: string
  readonly id: string
  readonly line: number
}

/** A history sorted by subject. */
export interface ReadHistory {
  readonly invoked: ReadonlyMap<string, string>
  readonly acknowledged: ReadonlySet<string>
  readonly unknown: ReadonlySet<string>
  readonly rejected: ReadonlyMap<string, string>
  readonly handlings: readonly Handling[]
  readonly claims: readonly Claim[]
  readonly giveBacks: readonly GiveBack[]
  readonly writes: readonly Write[]
  /** When the engine itself went down with what it had not synced. */
  readonly engineCrashes: readonly { readonly at: number; readonly line: number }[]
  /** Requeues, whether they came back or not. */
  readonly requeued: readonly SeenAgain[]
  /** Replays that came back. */
  readonly replayed: readonly SeenAgain[]
}

/** Sorts a history by subject and pairs starts with ends. */
export function readHistory(history: readonly HistoryEntry[]): ReadHistory {
  const invoked = new Map<string, string>()
  const acknowledged = new Set<string>()
  const unknown = new Set<string>()
  const rejected = new Map<string, string>()
  const handlings: Handling[] = []
  const running = new Map<string, Handling>()
  const claims: Claim[] = []
  const giveBacks: GiveBack[] = []
  const writes: Write[] = []
  const engineCrashes: { at: number; line: number }[] = []
  const requeued: SeenAgain[] = []
  const replayed: SeenAgain[] = []
  history.forEach((entry, line) => {
    if (entry.kind === 'publish') {
      if (entry.phase === 'invoke') invoked.set(entry.id, entry.type)
      else if (entry.phase === 'ok') acknowledged.add(entry.id)
      else if (entry.phase === 'info') unknown.add(entry.id)
      else rejected.set(entry.id, entry.code)
    } else if (entry.kind === 'handle') {
      const name = `${entry.process} ${entry.run}`
      if (entry.phase === 'start') {
        const { at, kind: _kind, phase: _phase, run: _run, ...event } = entry
        const handling: Handling = {
          ...event,
          startedAt: at,
          startLine: line,
          endedAt: Infinity,
          endLine: Infinity,
          outcome: undefined,
        }
        handlings.push(handling)
        running.set(name, handling)
      } else {
        const handling = running.get(name)
        if (handling !== undefined)
          Object.assign(handling, { endedAt: entry.at, endLine: line, outcome: entry.outcome })
        running.delete(name)
      }
    } else if (entry.kind === 'process') {
      if (entry.phase !== 'kill') return
      for (const [name, handling] of running) {
        if (handling.process !== entry.process) continue
        handling.endedAt = entry.at
        handling.endLine = line
        running.delete(name)
      }
    } else if (entry.kind === 'claim') claims.push({ ...entry, line })
    else if (entry.kind === 'give-back') giveBacks.push({ ...entry, line })
    else if (entry.kind === 'write') writes.push({ ...entry, line })
    else if (entry.kind === 'engine' && entry.phase === 'crash') engineCrashes.push({ at: entry.at, line })
    else if (entry.kind === 'requeue' && entry.phase === 'invoke') {
      for (const id of entry.ids) requeued.push({ group: entry.group, id, line })
    } else if (entry.kind === 'replay' && entry.phase === 'ok') {
      for (const id of entry.ids) replayed.push({ group: entry.group, id, line })
    }
  })
  return {
    invoked,
    acknowledged,
    unknown,
    rejected,
    handlings,
    claims,
    giveBacks,
    writes,
    engineCrashes,
    requeued,
    replayed,
  }
}

/** A name for one key of one group, or for one event where it has no key. */
export function keyNameOf({ group, topic, key, id }: HandledEvent): string {
  return key === undefined ? `${group} ${topic} #${id}` : `${group} ${topic} =${key}`
}

export function partitionNameOf(place: {
  readonly group: string
  readonly topic: string
  readonly partition: number
}): string {
  return `${place.group} ${place.topic} ${place.partition}`
}
