import type { SettingStore } from '../driver/setting-store.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import { inTime } from './in-time.ts'
import type { OperationChange } from './operation.ts'
import { changedText, parseStored, type StoredSettings } from './settings.ts'

/** The settings of all operations in the store, as this process has seen them last. */
export interface SettingFeed {
  /** Looks for the first time; waits for that for at most `ms`, and never again. */
  loaded(ms: number): Promise<void>
  /** Looks now. Throws `engine_*`. */
  refresh(): Promise<void>
  get(name: string): Known | undefined
  names(): readonly string[]
  /** Why what is known may not be what is stored. */
  readonly problem: string | undefined
  /** Stores a change, whatever others change meanwhile, and knows it at once. Throws `operation_invalid`, `setting_conflict`, `capability_missing`, `engine_*`. */
  change(name: string, change: OperationChange): Promise<void>
  close(): void
}

export interface Known {
  readonly stored: StoredSettings | undefined
  readonly problem: string | undefined
}

const PREFIX = 'operation:'
const MOST_TRIES = 5

/** Looks every `everyMs` from its first use on; `onLook` is called after each look, whether or not the store has answered. */
export function createSettingFeed({
  settings,
  ready,
  runtime,
  everyMs,
  onLook,
}: {
  /** Undefined where the engine keeps none: then only the code and the environment say something. */
  readonly settings: SettingStore | undefined
  readonly ready: () => Promise<void>
  readonly runtime: Runtime
  readonly everyMs: number
  readonly onLook: () => void
}): SettingFeed {
  const known = new Map<string, Known>()
  let first: Promise<void> | undefined
  let timer: Timer | undefined
  let isClosed = false
  let problem: string | undefined

  async function refresh(): Promise<void> {
    if (settings === undefined) return
    await ready()
    const rows = await settings.list(PREFIX)
    const names = new Set<string>()
    for (const { name, value } of rows) {
      names.add(name.slice(PREFIX.length))
      know(name.slice(PREFIX.length), value)
    }
    for (const name of known.keys()) if (!names.has(name)) known.delete(name)
    problem = undefined
  }

  function know(name: string, value: string): void {
    try {
      known.set(name, { stored: parseStored(name, value), problem: undefined })
    } catch (error) {
      // What was understood before goes on to hold: somebody newer may have written this.
      const message = error instanceof Error ? error.message : String(error)
      if (known.get(name)?.problem !== message) runtime.log.warn(message, { operation: name })
      known.set(name, { stored: known.get(name)?.stored, problem: message })
    }
  }

  async function look(): Promise<void> {
    try {
      await refresh()
    } catch (error) {
      problem = `The store does not answer: ${error instanceof Error ? error.message : String(error)}`
    }
    if (isClosed) return
    onLook()
    timer = runtime.setTimer(() => void look(), everyMs)
  }

  async function change(name: string, changes: OperationChange): Promise<void> {
    if (settings === undefined) {
      throw new MillraceError(
        'capability_missing',
        'The engine keeps no settings: change the code, or the environment variable of the operation.',
      )
    }
    await ready()
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const row = await settings.get(PREFIX + name)
      const stored = row === undefined ? undefined : readable(name, row.value)
      const text = changedText(name, stored, { change: changes, at: new Date(runtime.now()).toISOString() })
      if (row === undefined && text === undefined) return
      if ((await settings.put(PREFIX + name, text, row?.version ?? 0)) === undefined) continue
      if (text === undefined) known.delete(name)
      else know(name, text)
      return
    }
    throw new MillraceError('setting_conflict', `Others change the operation "${name}" all the time. Try again.`, {
      retriable: true,
    })
  }

  return {
    loaded: (ms) => inTime(runtime, (first ??= look()), { ms, late: () => new Error('late') }).catch(() => {}),
    refresh,
    get: (name) => known.get(name),
    names: () => [...known.keys()],
    get problem() {
      return problem
    },
    change,
    close() {
      isClosed = true
      timer?.cancel()
    },
  }
}

/** What cannot be read is written over: a change is how to put it right. */
function readable(name: string, value: string): StoredSettings | undefined {
  try {
    return parseStored(name, value)
  } catch {
    return undefined
  }
}
