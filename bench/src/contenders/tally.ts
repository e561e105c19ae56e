import { openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** A task by its number, and a moment. */
export interface TaskMoment {
  readonly n: number
  readonly at: number
}

/** What the handlers of all processes did, as they themselves wrote it down. */
export interface Tally {
  readonly begun: readonly TaskMoment[]
  readonly ended: readonly (TaskMoment & { readonly tookMs: number })[]
}

const PREFIX = 'tally-'

/** A file of this process. What is noted is in it at once: a process that is killed tells nothing afterwards. */
export function tallyOf(folder: string): {
  begin(n: number, at: number): void
  end(n: number, from: number, at: number): void
} {
  const file = openSync(join(folder, `${PREFIX}${process.pid}`), 'a')
  return {
    begin: (n, at) => void writeSync(file, `begun ${n} ${at}\n`),
    end: (n, from, at) => void writeSync(file, `ended ${n} ${at} ${at - from}\n`),
  }
}

/** What all processes noted in a folder. */
export function readTally(folder: string): Tally {
  const begun: TaskMoment[] = []
  const ended: (TaskMoment & { readonly tookMs: number })[] = []
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(PREFIX)) continue
    for (const line of readFileSync(join(folder, name), 'utf8').split('\n')) {
      const [what, n, at, tookMs] = line.split(' ')
      if (what === 'begun') begun.push({ n: Number(n), at: Number(at) })
      else if (what === 'ended') ended.push({ n: Number(n), at: Number(at), tookMs: Number(tookMs) })
    }
  }
  return { begun, ended }
}
