import type { LeaseStore } from '../driver/lease-store.ts'
import type { QueueStatus, TaskAdmin } from '../driver/task-admin.ts'
import { roomIn, WAITING_STATES } from '../driver/room.ts'
import { MillraceError } from '../runtime/error.ts'
import { checkQueueOptions, QUEUE_OPTIONS } from './define-queue.ts'
import type { QueueOptions } from './queue-definition.ts'
import type { QueueOperations, QueueView } from './queue-operations.ts'
import { decodeNote, effectiveOptions, settingsOf, type QueueNote } from './queue-settings.ts'
import { type KnownWork, knownWork } from './worker-processes.ts'

export interface OperatingQueuesOptions {
  readonly admin: TaskAdmin
  readonly leases: LeaseStore
  readonly opened: () => Promise<void>
  readonly onChanged: (queues: ReadonlySet<string>) => void
}

/** Somebody else may change a queue at the same time; then it is looked at again. */
const TRIES = 10

/** Looking at queues and changing them. */
export function createOperatingQueues({ admin, leases, opened, onChanged }: OperatingQueuesOptions): QueueOperations {
  async function need(name: string): Promise<QueueStatus> {
    await opened()
    const status = (await admin.queues()).find((each) => each.name === name)
    if (status !== undefined) return status
    throw new MillraceError('queue_unknown', `There is no queue "${name}".`, { facts: { queue: name } })
  }

  async function change(
    name: string,
    how: (note: QueueNote, paused: boolean) => { readonly note: QueueNote; readonly paused: boolean },
  ): Promise<QueueView> {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const status = await need(name)
      const { note, paused } = how(decodeNote(status.note), status.settings.paused)
      const settings = settingsOf(effectiveOptions(note), paused)
      const stored = await admin.putQueue({
        name,
        expectedVersion: status.version,
        settings,
        note: JSON.stringify(note),
      })
      if (stored === undefined) continue
      onChanged(new Set([name]))
      return viewOfQueue(await need(name), await knownWork(leases))
    }
    throw new MillraceError('setting_conflict', `The queue "${name}" is being changed by others. Try again.`, {
      retriable: true,
      facts: { queue: name },
    })
  }

  return {
    async list() {
      await opened()
      const [queues, known] = await Promise.all([admin.queues(), knownWork(leases)])
      return queues.map((status) => viewOfQueue(status, known))
    },
    get: async (name) => viewOfQueue(await need(name), await knownWork(leases)),
    pause: (name) => change(name, (note) => ({ note, paused: true })),
    resume: (name) => change(name, (note) => ({ note, paused: false })),
    async change(name, options) {
      checkQueueOptions(name, options)
      return change(name, (note, paused) => ({
        note: { ...note, overridden: { ...note.overridden, ...options } },
        paused,
      }))
    },
    async restore(name, options) {
      checkNames(options)
      return change(name, (note, paused) => ({
        note: { ...note, overridden: without(note.overridden, options) },
        paused,
      }))
    },
    async remove(name) {
      await need(name)
      if (await admin.removeQueue(name)) return
      throw new MillraceError(
        'queue_not_empty',
        `The queue "${name}" still has tasks. Let them end and be removed, or discard them, before you remove it.`,
        { facts: { queue: name } },
      )
    },
  }
}

function checkNames(options: readonly string[] | undefined): void {
  const strange =
    options === undefined || Array.isArray(options) ? options?.find((name) => !QUEUE_OPTIONS.has(name)) : options
  if (strange === undefined) return
  throw new MillraceError(
    'request_invalid',
    `The setting "${String(strange).slice(0, 40)}" is none of a queue; name some of ${[...QUEUE_OPTIONS].join(', ')} in a list.`,
    { path: 'settings' },
  )
}

function without(options: QueueOptions, names: readonly (keyof QueueOptions)[] | undefined): QueueOptions {
  if (names === undefined) return {}
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name as keyof QueueOptions)))
}

function viewOfQueue(status: QueueStatus, known: KnownWork): QueueView {
  const note = decodeNote(status.note)
  return {
    name: status.name,
    paused: status.settings.paused,
    settings: effectiveOptions(note),
    ...note,
    counts: status.counts,
    exact: status.exact,
    waiting: WAITING_STATES.reduce((sum, state) => sum + status.counts[state], 0),
    full: roomIn(status.settings, (state) => status.counts[state]) === 0,
    oldestReadyMs: status.oldestReadyMs,
    withoutWorker: status.readyNames.filter((name) => !known.takes(status.name, name)),
  }
}
