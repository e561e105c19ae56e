import { readdirSync, watch, type FSWatcher } from 'node:fs'
import { join, relative } from 'node:path'

/** Reports changes of source files under a folder. */
export interface SourceChanges {
  /** The path of the next file that changes, relative to the folder; changes close together count once. */
  next(): Promise<string>
  close(): void
}

const SOURCE = /\.(ts|mts|cts|js|mjs|cjs|json)$/
const LEFT_OUT = new Set(['node_modules', 'dist', 'coverage'])
const MOST_FOLDERS = 1_000
/** Editors write a file in several steps. */
const SETTLE_MS = 80

/** Watches the source files of a project, without what is installed, built or hidden. */
export function watchSources(root: string): SourceChanges {
  const watchers = new Map<string, FSWatcher>()
  let waiting: ((path: string) => void)[] = []
  let changed: string | undefined
  let timer: NodeJS.Timeout | undefined

  function report(): void {
    if (changed === undefined || waiting.length === 0) return
    const path = changed
    changed = undefined
    const heard = waiting
    waiting = []
    for (const tell of heard) tell(path)
  }

  function watchFolder(folder: string): void {
    if (watchers.has(folder) || watchers.size >= MOST_FOLDERS) return
    let entries: ReturnType<typeof foldersIn>
    try {
      entries = foldersIn(folder)
      const watcher = watch(folder, (_event, name) => {
        if (name === null) return
        if (SOURCE.test(name)) {
          changed = relative(root, join(folder, name))
          clearTimeout(timer)
          timer = setTimeout(report, SETTLE_MS)
        } else if (isWatched(name)) watchFolder(join(folder, name))
      })
      watcher.on('error', () => watchers.delete(folder))
      watchers.set(folder, watcher)
    } catch {
      // Not a folder, or gone since it was seen.
      return
    }
    for (const entry of entries) watchFolder(join(folder, entry))
  }

  watchFolder(root)
  return {
    next: () =>
      new Promise((resolve) => {
        waiting.push(resolve)
        if (timer === undefined || changed !== undefined) report()
      }),
    close() {
      clearTimeout(timer)
      for (const watcher of watchers.values()) watcher.close()
      watchers.clear()
    },
  }
}

function foldersIn(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && isWatched(entry.name))
    .map((entry) => entry.name)
}

function isWatched(name: string): boolean {
  return !name.startsWith('.') && !LEFT_OUT.has(name)
}
