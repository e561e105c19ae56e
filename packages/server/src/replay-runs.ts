import { MillraceError, type Millrace, type ReplayOptions, type Runtime } from '@millrace/core'
import { asMillraceError, itemErrorOf, type ItemError } from './problem.ts'

/** A replay that was started through the server. */
export interface ReplayRun {
  readonly id: string
  readonly group: string
  readonly state: 'running' | 'done' | 'failed' | 'cancelled'
  /** Events in the range when it began. */
  readonly matched: number
  readonly replayed: number
  readonly startedAt: string
  readonly error?: ItemError
}

/** Replays that run and the last ones that ended. They are not resumed by a server that starts anew. */
export interface ReplayRuns {
  /** Checks the range by a dry run, then replays in the background. Throws `overloaded` and what `replay` throws. */
  start(options: ReplayOptions): Promise<ReplayRun>
  list(): readonly ReplayRun[]
  get(id: string): ReplayRun | undefined
  /** Stops a running one. Returns it, undefined when there is none. */
  cancel(id: string): ReplayRun | undefined
  cancelAll(): void
}

const KEPT = 100

/** At most `capacity` replays at once. */
export function createReplayRuns({
  millrace,
  runtime,
  capacity,
}: {
  millrace: Millrace
  runtime: Runtime
  capacity: number
}): ReplayRuns {
  const runs = new Map<string, ReplayRun>()
  const running = new Map<string, AbortController>()
  let starting = 0

  function change(id: string, changes: Partial<ReplayRun>): void {
    const run = runs.get(id)
    if (run !== undefined) runs.set(id, { ...run, ...changes })
  }

  async function run(id: string, options: ReplayOptions, stop: AbortController): Promise<void> {
    try {
      const { replayed } = await millrace.replay({
        ...options,
        signal: stop.signal,
        onProgress: (count) => change(id, { replayed: count }),
      })
      change(id, { state: stop.signal.aborted ? 'cancelled' : 'done', replayed })
    } catch (error) {
      const failure = { state: 'failed', error: itemErrorOf(asMillraceError(error)) } as const
      change(id, stop.signal.aborted ? { state: 'cancelled' } : failure)
    } finally {
      running.delete(id)
    }
  }

  return {
    async start(options) {
      if (running.size + starting >= capacity) {
        throw new MillraceError('overloaded', `${capacity} replays are running. Wait for one to end, or cancel one.`, {
          retriable: true,
          facts: { replays: capacity, retryAfterMs: 5_000 },
        })
      }
      starting += 1
      try {
        const { matched } = await millrace.replay({ ...options, dryRun: true })
        const id = runtime.id()
        const begun: ReplayRun = {
          id,
          group: options.group,
          state: 'running',
          matched,
          replayed: 0,
          startedAt: new Date(runtime.now()).toISOString(),
        }
        const stop = new AbortController()
        running.set(id, stop)
        runs.set(id, begun)
        const oldest = [...runs.keys()].find((key) => !running.has(key))
        if (runs.size > KEPT && oldest !== undefined) runs.delete(oldest)
        void run(id, options, stop)
        return begun
      } finally {
        starting -= 1
      }
    },
    list: () => [...runs.values()].toReversed(),
    get: (id) => runs.get(id),
    cancel(id) {
      running.get(id)?.abort()
      return runs.get(id)
    },
    cancelAll() {
      for (const stop of running.values()) stop.abort()
    },
  }
}
