import { wait } from '../runtime/abort.ts'
import { backoffDelay } from '../runtime/backoff.ts'
import { isMillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { PartitionRun } from './partition-run.ts'

/** What has to reach the stores before an event is through: retried, and waited for by whoever hands over or stops. */
export interface Storing {
  /** Tries until it succeeds, is refused for good, or there is no point any more. */
  persist<Result>(operation: () => Promise<Result>): Promise<Result>
  /** Counts work of a partition, so that a stop or a hand-over waits for it. */
  track(run: PartitionRun, work: Promise<void>): void
  /** Something ended that somebody may wait for. */
  check(): void
  /** Resolves when nothing of these partitions runs or is being stored, or the time is up. */
  whenIdle(runs: () => readonly PartitionRun[], timeoutMs: number): Promise<void>
  /** From now on a failure is final, and nobody is told. */
  giveUp(): void
}

const BACKOFF = { first: 50, factor: 2, ceiling: 2_000 }

export function createStoring({
  runtime,
  onError,
}: {
  readonly runtime: Runtime
  readonly onError: (error: unknown) => void
}): Storing {
  const checks = new Set<() => void>()
  let givenUp = false

  function check(): void {
    for (const each of checks) each()
  }

  return {
    async persist(operation) {
      for (let failures = 1; ; failures += 1) {
        try {
          return await operation()
        } catch (error) {
          if (givenUp || !mayPass(error)) throw error
          if (failures === 1) onError(error)
          await wait(runtime, backoffDelay(BACKOFF, failures, 0.5 + runtime.random() / 2))
        }
      }
    },
    track(run, work) {
      run.storing += 1
      work
        .catch((error: unknown) => {
          if (!givenUp && !isMillraceError(error, 'closed')) onError(error)
        })
        .finally(() => {
          run.storing -= 1
          check()
        })
    },
    check,
    async whenIdle(runs, timeoutMs) {
      const idle = new AbortController()
      const look = (): void => {
        if (runs().every((run) => run.running === 0 && run.storing === 0)) idle.abort()
      }
      checks.add(look)
      look()
      await wait(runtime, timeoutMs, idle.signal)
      checks.delete(look)
    },
    giveUp: () => void (givenUp = true),
  }
}

/** What nobody has foreseen may pass as well: an event that is not tried again would stand still, and its key with it. */
function mayPass(error: unknown): boolean {
  return !isMillraceError(error) || error.retriable || error.code === 'internal' || error.code.startsWith('engine_')
}
