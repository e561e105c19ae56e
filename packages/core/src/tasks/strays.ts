import type { TaskStore } from '../driver/task-store.ts'

const PAGE = 1_000

export interface StraysOptions {
  readonly store: TaskStore
  readonly worker: string
  readonly isHeld: (id: string, starts: number) => boolean
}

/**
 * Gives back what the store holds as run by this worker and the worker does not know: the answer of an exchange was lost. Nothing of that
 * kind may be under way. Returns how many there were.
 */
export async function giveBackStrays({ store, worker, isHeld }: StraysOptions): Promise<number> {
  const strays = (await store.running(worker)).filter(({ id, starts }) => !isHeld(id, starts))
  for (let from = 0; from < strays.length; from += PAGE) {
    const settles = strays.slice(from, from + PAGE).map(({ id, starts }) => ({
      id,
      starts,
      as: 'release' as const,
      delayMs: 0,
      output: undefined,
      error: undefined,
    }))
    await store.exchange({ worker, settles, notes: [], claims: [] })
  }
  return strays.length
}
