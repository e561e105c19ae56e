import { readdirSync, readFileSync } from 'node:fs'
import type { EngineServer } from 'engines'

/** Stops the server with all of its processes (SIGSTOP), as a machine that stands still. Gives what lets it go on. */
export function pauseServer(server: EngineServer): () => void {
  const { pid } = server
  if (pid === undefined) return () => undefined
  const stopped = new Set<number>()
  // A process that was forked meanwhile is found in the next round.
  for (let found = familyOf(pid); found.some((one) => !stopped.has(one)); found = familyOf(pid)) {
    for (const one of found) {
      signal(one, 'SIGSTOP')
      stopped.add(one)
    }
  }
  return () => {
    for (const one of stopped) signal(one, 'SIGCONT')
  }
}

/** Kills the server with all of its processes at once, those that stand still too. */
export function killFamily({ pid }: EngineServer): void {
  if (pid !== undefined) for (const one of familyOf(pid)) signal(one, 'SIGKILL')
}

/** A process and all that descend from it. */
export function familyOf(pid: number): readonly number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name)) parents.set(Number(name), parentOf(name))
  }
  const family = [pid]
  for (const member of family) {
    for (const [child, parent] of parents) if (parent === member) family.push(child)
  }
  return family
}

function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in brackets, may hold anything.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return 0
  }
}

function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}
