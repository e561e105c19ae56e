import type { WaitingJob } from './jobs/job.ts'
import { hasCustomBackoff } from './jobs/retries.ts'
import type { Refusal } from './jobs/task-of-job.ts'
import type { Mapped } from './queue/mapper.ts'
import type { ImportReport, MovedName, MovedSchedule, RefusedJobs, Sample } from './report.ts'

/** Counts what is moved and what stays, while it is done. */
export interface Tally {
  /** Without what it became when that was done by an earlier run, with definitions of its own. */
  moved(waiting: WaitingJob, mapped: Mapped | undefined): void
  resumed(count: number): void
  deduplicated(count: number): void
  scheduled(schedule: MovedSchedule): void
  refused(id: string, refusal: Refusal | { readonly reason: 'schedule'; readonly text: string }): void
  /** A look at all that waits begins anew: what was refused is counted again. */
  beginPass(): void
  readonly count: number
  report(): Pick<
    ImportReport,
    'moved' | 'resumed' | 'deduplicated' | 'schedules' | 'refused' | 'names' | 'samples' | 'notes'
  >
}

const SHOWN_IDS = 5
const SAMPLES_PER_NAME = 2

/** A tally at nought. */
export function createTally(): Tally {
  const moved = { wait: 0, paused: 0, prioritized: 0, delayed: 0 }
  const names = new Map<string, MovedName>()
  const samples: Sample[] = []
  const schedules: MovedSchedule[] = []
  const refusedSchedules: RefusedJobs[] = []
  let refusedJobs = new Map<string, RefusedJobs>()
  let resumed = 0
  let deduplicated = 0
  let triedBefore = 0
  let customBackoff = 0

  function sample({ job }: WaitingJob, { task, stored }: Mapped): void {
    const { priority = 0, delay = 0, attempts = 1 } = task.options
    const { id, queue } = stored
    samples.push({ job: job.id, task: task.name, id, queue, priority: Number(priority), delayMs: delay, attempts })
  }

  return {
    moved(waiting, mapped) {
      moved[waiting.source] += 1
      if (mapped === undefined) return
      const { job } = waiting
      const count = (names.get(job.name)?.count ?? 0) + 1
      names.set(job.name, { name: job.name, task: mapped.task.name, queue: mapped.stored.queue, count })
      if (count <= SAMPLES_PER_NAME) sample(waiting, mapped)
      if (job.attemptsMade > 0) triedBefore += 1
      if (hasCustomBackoff(job)) customBackoff += 1
    },
    resumed: (count) => void (resumed += count),
    deduplicated: (count) => void (deduplicated += count),
    scheduled: (schedule) => void schedules.push(schedule),
    refused(id, { reason, text }) {
      if (reason === 'gone') return
      if (reason === 'schedule') return void refusedSchedules.push({ reason, text, count: 1, ids: [id] })
      const known = refusedJobs.get(reason) ?? { reason, text, count: 0, ids: [] }
      const ids = known.ids.length < SHOWN_IDS ? [...known.ids, id] : known.ids
      refusedJobs.set(reason, { ...known, count: known.count + 1, ids })
    },
    beginPass: () => void (refusedJobs = new Map()),
    get count() {
      return moved.wait + moved.paused + moved.prioritized + moved.delayed
    },
    report: () => ({
      moved: { ...moved },
      resumed,
      deduplicated,
      schedules,
      refused: [...refusedJobs.values(), ...refusedSchedules],
      names: [...names.values()].toSorted((a, b) => b.count - a.count),
      samples,
      notes: [
        ...(triedBefore > 0
          ? [`${triedBefore} had failed before: they have the attempts that were left, at least one.`]
          : []),
        ...(customBackoff > 0
          ? [`${customBackoff} have a backoff of the worker's own: that of the task's definition takes its place.`]
          : []),
      ],
    }),
  }
}
