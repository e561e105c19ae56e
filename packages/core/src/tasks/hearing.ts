import type { TaskHints, TaskStore } from '../driver/task-store.ts'

/** Listening to hints of other processes, for as long as anybody here has a use for them: an engine may keep the process alive for it. */
export interface Hearing {
  /** Whether hints are seen to arrive. */
  readonly arriving: boolean
  /** Somebody has a use for hints; gives how that ends, which may be called again. */
  begin(): () => void
}

export function createHearing(store: TaskStore, onHint: (queues: readonly string[]) => void): Hearing {
  let users = 0
  let hints: TaskHints | undefined

  function leave(): void {
    users -= 1
    if (users > 0) return
    hints?.stop()
    hints = undefined
  }

  return {
    get arriving() {
      return hints?.arriving ?? false
    },
    begin() {
      users += 1
      hints ??= store.listen?.(onHint)
      let ended = false
      return () => {
        if (!ended) leave()
        ended = true
      }
    },
  }
}
