import { MillraceError, type Runtime } from '@millrace/core/driver'
import { faultPointOf } from '../file/fault-point.ts'
import type { Settings } from '../settings.ts'
import type { Touched } from '../write/tasks/task-cache.ts'
import type { Host, Server } from './host.ts'
import type { Link } from './link.ts'
import { createPendingCalls } from './pending-calls.ts'

/** A writer or reader on the caller's own thread, by the runtime's clocks: nothing in it is left to chance. */
export function startInline<Calls extends Record<keyof Calls, { input: unknown; output: unknown }>>(
  create: (host: Host) => Server,
  {
    settings,
    runtime,
    onChanged,
    onQueues,
  }: {
    readonly settings: Settings
    readonly runtime: Runtime
    readonly onChanged: (topics: readonly string[]) => void
    readonly onQueues: (queues: Touched) => void
  },
): Link<Calls> {
  const pending = createPendingCalls()
  let closed = false
  const server = create({
    settings,
    now: () => runtime.now(),
    monotonic: () => runtime.monotonic(),
    setTimer: (run, ms) => runtime.setTimer(run, ms),
    defer: (run) => runtime.defer(run),
    fault: faultPointOf(process.env['MILLRACE_FAULT_POINT']),
    reply: (replies) => replies.forEach(pending.settle),
    changed: onChanged,
    queuesChanged: onQueues,
  })
  return {
    call(name, input) {
      if (closed) return Promise.reject(new MillraceError('closed', `${settings.path} is closed.`))
      const { id, promise } = pending.add()
      server.accept({ id, name, input })
      return promise as Promise<never>
    },
    hold: () => () => {},
    close() {
      if (!closed) server.close()
      closed = true
      pending.failAll(new MillraceError('closed', `${settings.path} is closed.`))
      return Promise.resolve()
    },
  }
}
