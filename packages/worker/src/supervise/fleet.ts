import { availableParallelism } from 'node:os'
import type { ProcessLoad } from './load.ts'
import type { SupervisorEvent } from './supervise-options.ts'
import { startProcess, type Ending, type ProcessRecipe, type WorkerProcess } from './worker-process.ts'

/** How many tasks have ended, and how long they took, all together. */
export type Ended = Pick<ProcessLoad, 'done' | 'tookMs'>

/** Worker processes, kept at a number. */
export interface Fleet {
  /** Those that take work. */
  readonly working: readonly WorkerProcess[]
  /** Those that finish what they have. */
  readonly stopping: number
  /** How many have ended by themselves so far. */
  readonly crashes: number
  /** What has ended so far, in all processes that ever were. */
  readonly ended: Ended
  /** What the working ones said last. */
  loads(): readonly ProcessLoad[]
  /** Makes them so many, with room for so many tasks each. One that crashed holds its place until it is started again. */
  resize(to: { readonly processes: number; readonly concurrency: number }): void
  /** Lets all finish; resolves when they are gone. */
  stop(): Promise<void>
}

const SETTLED_AFTER_MS = 30_000
/** What says nothing for so long after its start does not hold up others. */
const STARTS_WITHIN_MS = 10_000

/** No processes at first. What ends by itself is started again after a wait that doubles while processes die young. */
export function createFleet({
  recipe,
  restart,
  mostEach,
  tell,
}: {
  readonly recipe: ProcessRecipe
  readonly restart: { readonly first: number; readonly factor: number; readonly ceiling: number }
  /** The most tasks at once in one process. */
  readonly mostEach: number
  readonly tell: (event: SupervisorEvent) => void
}): Fleet {
  const processes = new Set<WorkerProcess>()
  const restarts = new Set<NodeJS.Timeout>()
  let wanted = { processes: 0, concurrency: 1 }
  let endedBefore: Ended = { done: 0, tookMs: 0 }
  let crashes = 0
  let shortLives = 0
  let isOver = false

  const working = (): WorkerProcess[] => [...processes].filter((each) => !each.isStopping)

  function startOne(): void {
    const started = startProcess(recipe, wanted.concurrency)
    processes.add(started)
    tell({ kind: 'started', pid: started.pid })
    void started.up.then(fill)
    void started.ended.then((ending) => ended(started, ending))
  }

  function ended(ending: WorkerProcess, { code, signal, error }: Ending): void {
    processes.delete(ending)
    endedBefore = plus(endedBefore, ending.load)
    if (ending.isStopping) return tell({ kind: 'stopped', pid: ending.pid, code, signal })
    crashes += 1
    shortLives = performance.now() - ending.startedAtMs < SETTLED_AFTER_MS ? shortLives + 1 : 1
    const restartInMs = Math.min(restart.ceiling, restart.first * restart.factor ** (shortLives - 1))
    tell({ kind: 'crashed', pid: ending.pid, code, signal, message: error?.message, restartInMs })
    if (isOver) return
    const again = setTimeout(() => {
      restarts.delete(again)
      fill()
    }, restartInMs)
    restarts.add(again)
  }

  function fill(): void {
    if (isOver) return
    const all = working()
    const missing = wanted.processes - all.length - restarts.size
    for (let more = Math.min(missing, startsAtOnce()); more > 0; more -= 1) startOne()
    // The youngest go first: the others have warm caches.
    for (const extra of all.slice(wanted.processes)) void extra.stop()
    share()
  }

  /** A start takes a core: more of them than cores would only take it from those that work. */
  function startsAtOnce(): number {
    const young = performance.now() - STARTS_WITHIN_MS
    const starting = working().filter(({ load, startedAtMs }) => load === undefined && startedAtMs > young)
    return availableParallelism() - starting.length
  }

  /** Until a process is up, the others do its part as far as they may. */
  function share(): void {
    const all = working()
    const isUp = all.filter(({ load }) => load !== undefined)
    const part = Math.ceil((wanted.processes * wanted.concurrency) / Math.max(1, isUp.length))
    for (const each of all) {
      const isAlone = isUp.length < wanted.processes && each.load !== undefined
      each.setSlots(isAlone ? Math.max(wanted.concurrency, Math.min(mostEach, part)) : wanted.concurrency)
    }
  }

  return {
    get working() {
      return working()
    },
    get stopping() {
      return processes.size - working().length
    },
    get crashes() {
      return crashes
    },
    get ended() {
      return [...processes].reduce((total, { load }) => plus(total, load), endedBefore)
    },
    loads: () => working().flatMap(({ load }) => load ?? []),
    resize(to) {
      wanted = to
      fill()
    },
    async stop() {
      isOver = true
      for (const again of restarts) clearTimeout(again)
      await Promise.all([...processes].map((each) => each.stop()))
    },
  }
}

function plus({ done, tookMs }: Ended, load: Ended | undefined): Ended {
  return load === undefined ? { done, tookMs } : { done: done + load.done, tookMs: tookMs + load.tookMs }
}
