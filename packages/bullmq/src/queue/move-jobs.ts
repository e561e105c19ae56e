import { throwIfAborted } from '@millrace/core/driver'
import type { Commands } from '../redis/connect.ts'
import { SOURCES, type QueueKeys } from '../redis/keys.ts'
import { REFUSALS, type Refusal } from '../jobs/task-of-job.ts'
import { bringHome, byBatch, type BringHome } from './bring-home.ts'
import type { Mapped } from './mapper.ts'
import { walk, type Page } from './walk.ts'

/** What moving jobs takes. */
export interface Moving extends BringHome {
  readonly commands: Commands
  readonly keys: QueueKeys
  /** Jobs that are taken at once. */
  readonly size: number
  /** Whether tasks keep the ids of their jobs, which other tasks may have. */
  readonly keepIds: boolean
  /** A name that no other batch has. */
  readonly newBatch: () => string
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((moved: number) => void) | undefined
}

/** What is taken at once is at most so much data, so that one step of the engine stays short. */
const BATCH_CHARACTERS = 2 * 1024 * 1024

/** Brings home what an earlier run holds. */
export async function resume(moving: Moving): Promise<void> {
  const { held, mapper, tally } = moving
  await mapper.tick()
  for (const [batch, jobs] of byBatch(await held.list())) {
    throwIfAborted(moving.signal)
    if ((await bringHome(moving, batch, jobs)) === 'moved') tally.resumed(jobs.length)
  }
}

/** Looks at all that waits, once, and moves what can be. Gives how many jobs were moved. */
export async function movePass(moving: Moving): Promise<number> {
  const { commands, keys, size, tally } = moving
  const before = tally.count
  tally.beginPass()
  for (const source of SOURCES) {
    await walk({ commands, keys, source }, { size, visit: (page) => movePage(moving, page) })
  }
  return tally.count - before
}

/** Moves what can be moved of a page; gives how many of it may still be there. */
async function movePage(moving: Moving, { source, found, passed }: Page): Promise<number> {
  const { held, mapper, tally, newBatch, size, signal, onProgress } = moving
  throwIfAborted(signal)
  await mapper.tick()
  const known = await tasksWithIds(moving, found)
  let taken = 0
  let movable: string[] = []
  let characters = 0

  async function flush(): Promise<void> {
    if (movable.length === 0) return
    const batch = newBatch()
    const jobs = await held.take(source, batch, movable, { passed, size })
    taken += jobs.length
    if (jobs.length > 0) await bringHome(moving, batch, jobs)
    movable = []
    characters = 0
    onProgress?.(tally.count)
  }

  for (const { id, waiting, refusal } of found) {
    const why = refusal ?? (waiting === undefined ? undefined : refusalIn(mapper.map(waiting), known))
    if (why !== undefined || waiting === undefined) {
      if (why !== undefined) tally.refused(id, why)
      continue
    }
    characters += waiting.job.data.length
    movable.push(id)
    if (characters >= BATCH_CHARACTERS) await flush()
  }
  await flush()
  return found.length - taken
}

/** The ids of jobs that tasks have already: such a job would be taken for its task sent again, and be lost. */
async function tasksWithIds({ keepIds, tasks }: Moving, found: Page['found']): Promise<ReadonlySet<string>> {
  if (!keepIds) return new Set()
  return new Set((await tasks.get(found.map(({ id }) => id))).map(({ id }) => id))
}

function refusalIn(mapped: Mapped | Refusal, known: ReadonlySet<string>): Refusal | undefined {
  if ('reason' in mapped) return mapped
  return known.has(mapped.stored.id) ? { reason: 'taken', text: REFUSALS.taken } : undefined
}
