import type { QueueStatus, TaskAdmin } from '../driver/task-admin.ts'
import type { QueueDefinition } from './queue-definition.ts'
import { decodeNote, effectiveOptions, isSameOptions, settingsOf } from './queue-settings.ts'

/** Stores what code declares of queues, once per process and queue. */
export interface QueueDeclarations {
  /** Resolves when the store knows it. Throws `engine_*`. */
  declare(queue: QueueDefinition): Promise<void> | undefined
}

/** Several processes declare at once; whoever is late looks again. */
const TRIES = 10

export function createQueueDeclarations(admin: TaskAdmin): QueueDeclarations {
  const declared = new Map<string, { queue: QueueDefinition; readonly done: Promise<void> } | 'stored'>()
  let listing: Promise<readonly QueueStatus[]> | undefined

  /** One look for all that are declared in one moment. */
  async function statusOf(name: string): Promise<QueueStatus | undefined> {
    listing ??= admin.queues().finally(() => (listing = undefined))
    return (await listing).find((status) => status.name === name)
  }

  async function store({ name, options }: QueueDefinition): Promise<void> {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const status = await statusOf(name)
      const note = decodeNote(status?.note ?? '')
      // One without limits is stored too: operators can pause it before its first task.
      if (status !== undefined && isSameOptions(note.declared, options)) return
      const changed = { ...note, declared: options }
      const stored = await admin.putQueue({
        name,
        expectedVersion: status?.version ?? 0,
        settings: settingsOf(effectiveOptions(changed), status?.settings.paused ?? false),
        note: JSON.stringify(changed),
      })
      if (stored !== undefined) return
    }
  }

  return {
    declare(queue) {
      const known = declared.get(queue.name)
      if (known === 'stored' || queue.declares === false) return undefined
      if (known !== undefined) return known.done
      const done = store(queue).then(
        () => void declared.set(queue.name, 'stored'),
        (error: unknown) => {
          declared.delete(queue.name)
          throw error
        },
      )
      declared.set(queue.name, { queue, done })
      return done
    },
  }
}
