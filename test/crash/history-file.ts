import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { HistoryEntry, Unstamped } from '@millrace/core/testing'

/** Appends lines to a history; each is with the operating system before the call returns, so that no kill loses one. */
export interface HistoryFile {
  record(entry: Unstamped): void
  close(): void
}

/** Milliseconds of the machine's monotonic clock, which all processes share. */
export function machineNow(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000
}

export function openHistory(folder: string, name: string): HistoryFile {
  const file = openSync(join(folder, `${name}.ndjson`), 'a')
  return {
    record: (entry) => void writeSync(file, `${JSON.stringify({ at: machineNow(), process: name, ...entry })}\n`),
    close: () => closeSync(file),
  }
}

/** All histories of a folder in the order of their times. A line that a kill has torn is the last of its file and left out. */
export function readHistories(folder: string): HistoryEntry[] {
  const entries: HistoryEntry[] = []
  for (const name of readdirSync(folder)) {
    if (!name.endsWith('.ndjson')) continue
    const lines = readFileSync(join(folder, name), 'utf8').split('\n')
    lines.pop()
    for (const line of lines) entries.push(JSON.parse(line) as HistoryEntry)
  }
  return entries.sort((a, b) => a.at - b.at)
}
