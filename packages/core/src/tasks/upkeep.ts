import { channels } from '../bus/diagnostics.ts'
import type { LeaseStore } from '../driver/lease-store.ts'
import type { TaskAdmin } from '../driver/task-admin.ts'
import { wait } from '../runtime/abort.ts'
import { isMillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { knownWork } from './worker-processes.ts'

/** What worker processes do beside the work: expiry, retention, and an alarm for tasks that nobody can do. */
export interface Upkeep {
  start(): void
  /** So many tasks have ended here: retention has something to do. */
  ended(tasks: number): void
  stop(): Promise<void>
}

const SWEEP_MS = 30_000
/** Where nothing has ended here, and the last sweep found nothing. */
const SELDOM_SWEEP_MS = 60_000
const ALARM_MS = 30_000
/** So many ended tasks are worth a sweep before its time. */
const ENDED_BEFORE_SWEEP = 5_000
/** Between two steps of a long sweep, so that the work goes on. */
const BREATH_MS = 10

export function createUpkeep({
  millrace,
  admin,
  leases,
  runtime,
  onError,
}: {
  readonly millrace: string
  readonly admin: TaskAdmin
  readonly leases: LeaseStore
  readonly runtime: Runtime
  readonly onError: (error: unknown) => void
}): Upkeep {
  const stopping = new AbortController()
  let sooner = new AbortController()
  let endedSince = 0
  let sweepMs = SWEEP_MS
  let lookedAt = runtime.monotonic()
  let lacking: ReadonlySet<string> = new Set()
  let running: Promise<void> | undefined

  async function loop(): Promise<void> {
    let failed = false
    while (!stopping.signal.aborted) {
      // Processes that began together need not sweep together.
      await wait(runtime, sweepMs * (0.5 + runtime.random() / 2), AbortSignal.any([stopping.signal, sooner.signal]))
      if (stopping.signal.aborted) return
      try {
        await sweep()
        await look()
        failed = false
      } catch (error) {
        if (isMillraceError(error, 'closed')) return
        if (!failed) onError(error)
        failed = true
      }
    }
  }

  async function sweep(): Promise<void> {
    sweepMs = endedSince > 0 ? SWEEP_MS : SELDOM_SWEEP_MS
    endedSince = 0
    sooner = new AbortController()
    for (;;) {
      const { removed, expired, more } = await admin.sweep()
      if (removed + expired > 0) sweepMs = SWEEP_MS
      if (!more || stopping.signal.aborted) return
      await wait(runtime, BREATH_MS, stopping.signal)
    }
  }

  /** Names that were ready at the last look too, and that still nobody takes from their queue. */
  async function look(): Promise<void> {
    if (runtime.monotonic() - lookedAt < ALARM_MS / 2) return
    lookedAt = runtime.monotonic()
    const [queues, known] = await Promise.all([admin.queues(), knownWork(leases)])
    const now = new Set<string>()
    for (const { name: queue, readyNames } of queues) {
      for (const name of readyNames) {
        if (known.takes(queue, name)) continue
        const place = `${queue} ${name}`
        now.add(place)
        if (lacking.has(place)) alarm(queue, name)
      }
    }
    lacking = now
  }

  function alarm(queue: string, name: string): void {
    runtime.log.warn('tasks wait and no worker takes their name from this queue', { queue, task: name })
    if (!channels.incident.hasSubscribers) return
    channels.incident.publish({
      millrace,
      kind: 'task-without-worker',
      group: `queue:${queue}`,
      topic: name,
      partition: undefined,
    })
  }

  return {
    start: () => void (running ??= loop()),
    ended(tasks) {
      endedSince += tasks
      // An abort makes an error with a stack each time, also when it has been aborted.
      if (endedSince >= ENDED_BEFORE_SWEEP && !sooner.signal.aborted) sooner.abort()
    },
    async stop() {
      stopping.abort()
      await running
    },
  }
}
