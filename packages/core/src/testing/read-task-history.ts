import type { HistoryEntry } from './history.ts'
import type { AddedTask, ClaimedEntry, TaskRunOutcome } from './task-history.ts'
import type { TaskSettle } from '../driver/task-store.ts'

/** A call of a port: it took effect, if it did, between the two moments. */
export interface Asked {
  readonly process: string
  readonly invokedAt: number
  /** Infinite when no answer was seen. */
  answeredAt: number
}

export interface SeenAdd extends Asked {
  readonly task: AddedTask
  outcome: 'stored' | 'duplicate' | 'taken' | 'full' | 'unknown'
  /** Of the holder of the dedupe key, for a duplicate. */
  holder: string | undefined
}

export interface SeenClaim extends Asked, ClaimedEntry {
  readonly worker: string
}

export interface SeenSettle extends Asked, Pick<TaskSettle, 'id' | 'starts' | 'as'> {
  readonly worker: string
  outcome: 'settled' | 'fenced' | 'unknown'
}

export interface SeenReclaim extends Asked {
  readonly worker: string
  count: number | undefined
}

export interface SeenCancel extends Asked {
  readonly ids: readonly string[]
  changed: readonly string[] | undefined
}

export interface SeenRun {
  readonly process: string
  readonly run: number
  readonly id: string
  readonly attempt: number
  readonly startedAt: number
  /** When it ended or its process died; infinite when neither is known. */
  endedAt: number
  outcome: TaskRunOutcome | undefined
}

/** All that was seen of one task. */
export interface TaskStory {
  readonly id: string
  readonly adds: SeenAdd[]
  /** In the order of their starts. */
  readonly claims: SeenClaim[]
  readonly settles: SeenSettle[]
  readonly runs: SeenRun[]
  readonly cancels: SeenCancel[]
}

/** A history of tasks sorted by subject. */
export interface ReadTaskHistory {
  readonly stories: ReadonlyMap<string, TaskStory>
  /** Ids that the application was told are there, with the moment. */
  readonly acknowledged: ReadonlyMap<string, number>
  /** Ids of which it was told that they are certainly not, with the code. */
  readonly refused: ReadonlyMap<string, string>
  readonly reclaims: readonly SeenReclaim[]
  readonly kills: ReadonlyMap<string, number>
  /** When the engine's server was killed. */
  readonly crashes: readonly number[]
}

/** Sorts a history by task and pairs calls with their answers. Entries must be in the order of their times. */
export function readTaskHistory(history: readonly HistoryEntry[]): ReadTaskHistory {
  const reader = createReader()
  for (const entry of history) reader.read(entry)
  for (const story of reader.stories.values())
    story.claims.sort((a, b) => a.starts - b.starts || a.answeredAt - b.answeredAt)
  return reader
}

/** Reads line by line; what it has read so far is in its members. */
function createReader(): ReadTaskHistory & { read(entry: HistoryEntry): void } {
  const stories = new Map<string, TaskStory>()
  const acknowledged = new Map<string, number>()
  const refused = new Map<string, string>()
  const reclaims: SeenReclaim[] = []
  const kills = new Map<string, number>()
  const crashes: number[] = []
  const asked = new Map<string, readonly string[]>()
  const adding = new Map<string, readonly SeenAdd[]>()
  const exchanging = new Map<
    string,
    { readonly worker: string; readonly at: number; readonly settles: readonly SeenSettle[] }
  >()
  const reclaiming = new Map<string, SeenReclaim>()
  const cancelling = new Map<string, SeenCancel>()
  const running = new Map<string, SeenRun>()

  function storyOf(id: string): TaskStory {
    let story = stories.get(id)
    if (story === undefined) stories.set(id, (story = { id, adds: [], claims: [], settles: [], runs: [], cancels: [] }))
    return story
  }

  function add(name: string, tasks: readonly AddedTask[], stamp: Asked): void {
    const seen = tasks.map((task): SeenAdd => ({ ...stamp, task, outcome: 'unknown', holder: undefined }))
    for (const each of seen) storyOf(each.task.id).adds.push(each)
    adding.set(name, seen)
  }

  function read(entry: HistoryEntry): void {
    const { at, process } = entry
    const stamp = { process, invokedAt: at, answeredAt: Infinity }
    if (entry.kind === 'process' && entry.phase === 'kill') {
      kills.set(process, at)
      for (const [name, run] of running) {
        if (run.process !== process) continue
        run.endedAt = at
        running.delete(name)
      }
    } else if (entry.kind === 'engine' && entry.phase === 'crash') crashes.push(at)
    else if (entry.kind === 'enqueue') {
      const name = `${process} ${entry.call}`
      if (entry.phase === 'invoke') asked.set(name, entry.ids)
      else if (entry.phase === 'ok') for (const id of entry.ids) acknowledged.set(id, at)
      else if (entry.phase === 'fail') for (const id of asked.get(name) ?? []) refused.set(id, entry.code)
    } else if (entry.kind === 'add' || entry.kind === 'fire') {
      const name = `${process} ${entry.call}`
      if (entry.phase === 'invoke') return add(name, entry.tasks, stamp)
      adding.get(name)?.forEach((seen, index) => {
        seen.answeredAt = at
        if (entry.kind === 'fire') seen.outcome = entry.won ? 'stored' : 'duplicate'
        else {
          const outcome = entry.outcomes[index]
          seen.outcome = outcome?.outcome ?? 'unknown'
          seen.holder = outcome?.outcome === 'duplicate' ? outcome.id : undefined
        }
      })
    } else if (entry.kind === 'exchange') {
      const name = `${process} ${entry.call}`
      if (entry.phase === 'invoke') {
        const settles = entry.settles.map((settle): SeenSettle => ({
          ...stamp,
          ...settle,
          worker: entry.worker,
          outcome: 'unknown',
        }))
        for (const settle of settles) storyOf(settle.id).settles.push(settle)
        exchanging.set(name, { worker: entry.worker, at, settles })
        return
      }
      const call = exchanging.get(name)
      if (call === undefined) return
      exchanging.delete(name)
      call.settles.forEach((settle, index) => {
        settle.answeredAt = at
        settle.outcome = entry.settled[index] ?? 'unknown'
      })
      for (const claim of entry.claimed) {
        storyOf(claim.id).claims.push({ ...claim, process, worker: call.worker, invokedAt: call.at, answeredAt: at })
      }
    } else if (entry.kind === 'reclaim') {
      const name = `${process} ${entry.call}`
      if (entry.phase === 'invoke') {
        const seen: SeenReclaim = { ...stamp, worker: entry.worker, count: undefined }
        reclaims.push(seen)
        reclaiming.set(name, seen)
      } else Object.assign(reclaiming.get(name) ?? {}, { answeredAt: at, count: entry.count })
    } else if (entry.kind === 'cancel') {
      const name = `${process} ${entry.call}`
      if (entry.phase === 'invoke') {
        const seen: SeenCancel = { ...stamp, ids: entry.ids, changed: undefined }
        for (const id of entry.ids) storyOf(id).cancels.push(seen)
        cancelling.set(name, seen)
      } else Object.assign(cancelling.get(name) ?? {}, { answeredAt: at, changed: entry.ids })
    } else if (entry.kind === 'task-run') {
      const name = `${process} ${entry.run}`
      if (entry.phase === 'start') {
        const { run, id, attempt } = entry
        const seen: SeenRun = { process, run, id, attempt, startedAt: at, endedAt: Infinity, outcome: undefined }
        running.set(name, seen)
        storyOf(id).runs.push(seen)
      } else {
        Object.assign(running.get(name) ?? {}, { endedAt: at, outcome: entry.outcome })
        running.delete(name)
      }
    }
  }

  return { stories, acknowledged, refused, reclaims, kills, crashes, read }
}
