import type { TaskHints } from '@millrace/core/driver'
import type { Touched } from '../write/tasks/task-cache.ts'
import type { Link, ReaderCalls } from '../loop/link.ts'

/** Tells those who listen of queues whose tasks others have changed. What this process has changed itself it knows. */
export interface QueueNews {
  /** A change of this process is in the file. */
  own(touched: Touched): void
  /** The file was seen with these counts of news: those that are not our own are told. */
  seen(touched: Touched): void
  listen(listener: (queues: readonly string[]) => void, reader: Link<ReaderCalls>): TaskHints
}

export function createQueueNews(): QueueNews {
  const listeners = new Set<(queues: readonly string[]) => void>()
  const newest = new Map<string, number>()

  function tell(queues: readonly string[]): void {
    if (queues.length > 0) for (const listener of [...listeners]) listener(queues)
  }

  return {
    own(touched) {
      const passed: string[] = []
      for (const [queue, news] of touched) {
        const before = newest.get(queue)
        if (before !== undefined && before >= news) continue
        newest.set(queue, news)
        // Each change counts one: what lies between was changed by somebody else, and would be taken for ours when it is seen.
        if (before !== undefined && before < news - 1) passed.push(queue)
      }
      tell(passed)
    },
    seen(touched) {
      const changed: string[] = []
      for (const [queue, news] of touched) {
        if (newest.get(queue) === news) continue
        newest.set(queue, news)
        changed.push(queue)
      }
      tell(changed)
    },
    listen(listener, reader) {
      const release = reader.hold()
      const hear = (queues: readonly string[]): void => listener(queues)
      let arriving = false
      let stopped = false
      listeners.add(hear)
      reader.call('watchQueues', { by: 1 }).then(
        () => (arriving = !stopped),
        () => undefined,
      )
      return {
        get arriving() {
          return arriving
        },
        stop() {
          if (stopped) return
          stopped = true
          arriving = false
          listeners.delete(hear)
          release()
          reader.call('watchQueues', { by: -1 }).catch(() => undefined)
        },
      }
    },
  }
}
