import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { TaskReports } from './task-reports.ts'
import type { WorkerLine } from './worker-line.ts'

const LATE_LOOK_MS = 100
const SAMPLE_MS = 1_000

/** One timer for all workers of the process: has each look for what takes too long, and measures how busy each worker is. */
export function createLineWatch({
  lines,
  runtime,
  reports,
}: {
  readonly lines: ReadonlyMap<string, WorkerLine>
  readonly runtime: Runtime
  readonly reports: TaskReports
}): { start(): void; stop(): void } {
  let timer: Timer | undefined
  let sampledAt = runtime.monotonic()

  function look(): void {
    const now = runtime.monotonic()
    const busy = [...lines.values()].filter((line) => line.calls.size > 0)
    for (const line of busy) line.look(now)
    if (now - sampledAt >= SAMPLE_MS) sample(now)
    timer = runtime.setTimer(look, busy.length > 0 ? LATE_LOOK_MS : SAMPLE_MS)
  }

  function sample(now: number): void {
    sampledAt = now
    for (const line of lines.values()) {
      line.pace.sample(now, line.concurrency, line.calls.starts())
      reports.busy(line)
    }
  }

  return {
    start: () => void (timer ??= runtime.setTimer(look, LATE_LOOK_MS)),
    stop: () => timer?.cancel(),
  }
}
