import type { TaskNote } from '../driver/task-store.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { HeldTask } from './held-task.ts'
import { MOST_CHARACTERS, type Settling } from './settle-queue.ts'

/** What running tasks say of themselves, collected for a moment. */
export interface NoteQueue {
  /** Whether something has waited for long enough. */
  readonly isDue: boolean
  add(held: HeldTask): void
  /** Nobody wants to know what it had to say. */
  forget(held: HeldTask): void
  /** The last words of what is settled now, and what is due of this worker's. */
  take(worker: string, settlings: readonly Settling[]): readonly TaskNote[]
  stop(): void
}

const COLLECT_MS = 250
const MOST_NOTES = 500

export function createNoteQueue(
  runtime: Runtime,
  { progressOf, onDue }: { readonly progressOf: (held: HeldTask) => string | undefined; readonly onDue: () => void },
): NoteQueue {
  const noted = new Set<HeldTask>()
  let isDue = false
  let timer: Timer | undefined

  function collect(): void {
    timer ??= runtime.setTimer(() => {
      timer = undefined
      isDue = noted.size > 0
      onDue()
    }, COLLECT_MS)
  }

  function noteOf(held: HeldTask): TaskNote {
    noted.delete(held)
    held.noted = false
    const log = held.logs ?? []
    held.logs = undefined
    return { id: held.task.id, starts: held.task.starts, progress: progressOf(held), log }
  }

  return {
    get isDue() {
      return isDue
    },
    add(held) {
      held.noted = true
      noted.add(held)
      collect()
    },
    forget: (held) => void noted.delete(held),
    take(worker, settlings) {
      if (noted.size === 0) return []
      const notes: TaskNote[] = []
      for (const { held } of settlings) if (held.noted) notes.push(noteOf(held))
      if (!isDue) return notes
      isDue = false
      let characters = 0
      for (const held of noted) {
        if (notes.length >= MOST_NOTES || characters >= MOST_CHARACTERS) break
        if (held.worker !== worker) continue
        const note = noteOf(held)
        for (const line of note.log) characters += line.length
        notes.push(note)
      }
      if (noted.size > 0) collect()
      return notes
    },
    stop: () => timer?.cancel(),
  }
}
