import type { NewTask, TaskStore } from '@millrace/core/driver'
import type { Fate, Ledger } from '../home/ledger.ts'
import type { Tally } from '../tally.ts'
import type { Held, HeldJob } from './held.ts'
import type { Mapped, Mapper } from './mapper.ts'

/** What bringing jobs home takes. */
export interface BringHome {
  readonly held: Held
  readonly ledger: Ledger
  readonly tasks: TaskStore
  readonly mapper: Mapper
  readonly tally: Tally
}

/**
 * Brings the held jobs of one batch home: adds their tasks and notes the batch in one step, then removes them from BullMQ. Killed
 * anywhere, the next run finds them held, and the ledger says whether their tasks were added. A batch with a job that cannot be mapped
 * (any more) goes back as a whole; the next look leaves that job where it is.
 */
export async function bringHome(
  { held, ledger, tasks, mapper, tally }: BringHome,
  batch: string,
  jobs: readonly HeldJob[],
): Promise<Fate> {
  const mapped = jobs.map(({ waiting }) => {
    const result = waiting === undefined ? undefined : mapper.map(waiting)
    return result !== undefined && 'stored' in result ? result : undefined
  })
  const whole = mapped.filter((each) => each !== undefined)
  const fate =
    (await ledger.fateOf(batch)) ??
    (whole.length < jobs.length
      ? await ledger.returns(batch)
      : await ledger.deliver(batch, storedOf(whole), async () => held.has(batch, jobs[0]?.id ?? '')))
  const ids = jobs.map(({ id }) => id)
  if (fate === 'returned') {
    await held.giveBack(batch, ids)
    return fate
  }
  await held.settle(batch, jobs)
  for (const [at, { waiting }] of jobs.entries()) if (waiting !== undefined) tally.moved(waiting, mapped[at])
  tally.deduplicated(await countDeduplicated(tasks, storedOf(whole)))
  return fate
}

/** Groups what is held by the batch with which it was taken. */
export function byBatch(jobs: readonly HeldJob[]): ReadonlyMap<string, readonly HeldJob[]> {
  return Map.groupBy(jobs, ({ batch }) => batch)
}

function storedOf(mapped: readonly Mapped[]): readonly NewTask[] {
  return mapped.map(({ stored }) => stored)
}

/** A task with a deduplication key that is not there was not added: another one holds the key. */
async function countDeduplicated(tasks: TaskStore, stored: readonly NewTask[]): Promise<number> {
  const ids = stored.flatMap(({ id, dedupe }) => (dedupe === undefined ? [] : [id]))
  if (ids.length === 0) return 0
  return ids.length - (await tasks.get(ids)).length
}
