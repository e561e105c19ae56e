import { MillraceError, type NewTask, type ScheduleRow, type ScheduleStore } from '@millrace/core/driver'

/**
 * Which batches have come home, kept in the engine of the tasks and written in the same step as these: that is why a job is neither
 * lost nor added twice, wherever the bridge is killed, and whatever has been run and cleared away since.
 */
export interface Ledger {
  /** What has become of a batch; undefined when nothing has been noted. */
  fateOf(batch: string): Promise<Fate | undefined>
  /**
   * Adds the tasks of a batch and notes it, in one step, unless it is noted already: then it says as what, and adds nothing. `isHeld`
   * is asked when somebody else has written the ledger meanwhile. Throws `engine_*`; the same call again is safe.
   */
  deliver(batch: string, tasks: readonly NewTask[], isHeld: () => Promise<boolean>): Promise<Fate>
  /** Notes that a batch goes back, so that nobody can deliver it any more; or says that it has been delivered. */
  returns(batch: string): Promise<Fate>
}

/** `moved`: its tasks are there. `returned`: it goes back to BullMQ. */
export type Fate = 'moved' | 'returned'

type Entry = readonly [batch: string, fate: Fate]

/** A bridge has one batch under way; of so many bridges one may be paused while the others go on. */
const REMEMBERED = 64

/** The ledger of one queue: the row of a schedule that never fires. */
export function createLedger(schedules: ScheduleStore, prefix: string, queue: string): Ledger {
  const name = `millrace.bullmq:${prefix}:${queue}`

  async function read(): Promise<{ readonly row: ScheduleRow; readonly entries: readonly Entry[] }> {
    for (;;) {
      const empty = { name, spec: '[]', nextAt: undefined, lastAt: undefined }
      const row = (await schedules.get(name)) ?? (await schedules.put(empty, 0))
      if (row !== undefined) return { row, entries: entriesOf(row.spec) }
    }
  }

  async function settle(
    batch: string,
    fate: Fate,
    write: (row: ScheduleRow) => Promise<boolean>,
    isHeld: () => Promise<boolean>,
  ): Promise<Fate> {
    for (let again = false; ; again = true) {
      const { row, entries } = await read()
      const known = fateIn(entries, batch)
      if (known !== undefined) return known
      // Somebody else has written. What is held no more has been brought to its end, though the ledger may have forgotten it.
      if (again && !(await isHeld())) return 'moved'
      const spec = JSON.stringify([...entries, [batch, fate]].slice(-REMEMBERED))
      if (await write({ ...row, spec })) return fate
    }
  }

  return {
    fateOf: async (batch) => fateIn((await read()).entries, batch),
    deliver: (batch, tasks, isHeld) => settle(batch, 'moved', (row) => schedules.fire({ row, tasks }), isHeld),
    returns: (batch) =>
      settle(
        batch,
        'returned',
        async (row) => (await schedules.put(row, row.version)) !== undefined,
        async () => true,
      ),
  }
}

function fateIn(entries: readonly Entry[], batch: string): Fate | undefined {
  return entries.find(([each]) => each === batch)?.[1]
}

function entriesOf(spec: string): readonly Entry[] {
  const value: unknown = JSON.parse(spec)
  if (Array.isArray(value)) return value as readonly Entry[]
  throw new MillraceError('engine_corrupt', 'The ledger of the bridge from BullMQ cannot be read.')
}
