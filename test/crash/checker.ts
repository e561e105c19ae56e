import { checkHistory, type FinalState, type HistoryEntry, type HistoryReport } from '@millrace/core/testing'

/** What a crash run has shown: the report of the checker, and how hard the run was. */
export interface CrashReport extends HistoryReport {
  readonly kills: number
  /** Kills that hit a process with a publish, an enqueue or a handler under way. */
  readonly killsInFlight: number
  readonly pauses: number
}

/** Judges a run; a pure function of the history and the final state. */
export function checkCrashes(history: readonly HistoryEntry[], final: FinalState): CrashReport {
  return { ...checkHistory(history, final), ...hardnessOf(history) }
}

/** How often processes were killed and stopped, and how often in the middle of something. */
export function hardnessOf(history: readonly HistoryEntry[]): Pick<CrashReport, 'kills' | 'killsInFlight' | 'pauses'> {
  const open = new Map<string, Set<string>>()
  let kills = 0
  let killsInFlight = 0
  let pauses = 0
  for (const entry of history) {
    const mine = open.get(entry.process) ?? new Set<string>()
    open.set(entry.process, mine)
    if (entry.kind === 'publish') {
      if (entry.phase === 'invoke') mine.add(entry.id)
      else mine.delete(entry.id)
    } else if (entry.kind === 'enqueue') {
      if (entry.phase === 'invoke') mine.add(`enqueue ${entry.call}`)
      else mine.delete(`enqueue ${entry.call}`)
    } else if (entry.kind === 'handle' || entry.kind === 'task-run') {
      if (entry.phase === 'start') mine.add(String(entry.run))
      else mine.delete(String(entry.run))
    } else if (entry.kind === 'process' && entry.phase === 'kill') {
      kills += 1
      if (mine.size > 0) killsInFlight += 1
    } else if (entry.kind === 'process' && entry.phase === 'pause') pauses += 1
  }
  return { kills, killsInFlight, pauses }
}
