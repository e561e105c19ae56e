import { channels, type IncidentDiagnosis, type TaskDiagnosis } from '../bus/diagnostics.ts'
import { MillraceError } from '../runtime/error.ts'
import type { HeldTask } from './held-task.ts'
import type { TaskVerdict } from './task-outcome.ts'
import type { WorkerLine } from './worker-line.ts'
import type { WorkerStatus } from './worker.ts'

/** What the workers of a process tell tracers, metrics and operators. Nothing is built for a channel without listeners. */
export interface TaskReports {
  /** An attempt has ended; `endToEndMs` from the adding of the task. */
  attempt(
    held: HeldTask,
    verdict: TaskVerdict,
    times: { readonly durationMs: number; readonly endToEndMs: number },
  ): void
  busy(line: WorkerLine): void
  incident(kind: IncidentDiagnosis['kind'], held?: HeldTask): void
}

export function createTaskReports(millrace: string): TaskReports {
  return {
    attempt({ task }, { as, error }, { durationMs, endToEndMs }) {
      if (!channels.task.hasSubscribers) return
      const diagnosis: TaskDiagnosis = {
        millrace,
        queue: task.queue,
        task: task.name,
        outcome: as,
        attempt: task.attempts + 1,
        durationMs,
        waitMs: task.waitedMs,
        endToEndMs,
        code: as === 'dead' ? error?.code : undefined,
      }
      channels.task.publish(diagnosis)
    },
    busy(line) {
      if (!channels.worker.hasSubscribers) return
      const { state: _state, done: _done, failed: _failed, tookMs: _tookMs, ...status } = statusOf(line, line.state)
      channels.worker.publish({
        millrace,
        queue: line.definition.queue.name,
        task: line.definition.name,
        ...status,
      })
    },
    incident(kind, held) {
      if (!channels.incident.hasSubscribers) return
      const group = `queue:${held?.task.queue ?? '*'}`
      channels.incident.publish({ millrace, kind, group, topic: held?.task.name, partition: undefined })
    },
  }
}

export function statusOf(line: WorkerLine, state: WorkerStatus['state']): WorkerStatus {
  return {
    state,
    concurrency: line.concurrency,
    running: line.calls.size,
    buffered: line.buffered,
    abandoned: line.calls.abandoned,
    utilisation: line.pace.utilisation,
    queueWaitMs: line.queueWaitMs,
    ...line.counts,
    tookMs: line.pace.tookMs,
  }
}

/** The error of a task that goes on elsewhere. */
export function leaseLost({ task: { id, name } }: HeldTask): MillraceError {
  return new MillraceError(
    'task_lease_lost',
    `The task "${id}" (${name}) was taken from this worker before it was settled; it is run again elsewhere. Was the event loop blocked, or the process stopped?`,
    { facts: { id, name } },
  )
}
