/** How writes are put together. */
export interface GroupedWritesOptions<Job, Answer> {
  /** Does all jobs or none of them. */
  readonly write: (jobs: readonly Job[]) => Promise<Answer>
  /** Whether a job may be written together with the one before it. Default: always. */
  readonly joins?: (before: Job, job: Job) => boolean
  /** How much a job adds to a write, of which `MOST` go together. Default: 1. */
  readonly weightOf?: (job: Job) => number
}

interface Waiting<Job, Answer> {
  readonly job: Job
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

const MOST = 500

/**
 * Writes of which one is under way at a time, in the order of the calls: what comes meanwhile goes out together in the next. When several
 * fail together each is tried by itself, so that none of them fails for another.
 */
export function createGroupedWrites<Job, Answer>({
  write,
  joins = () => true,
  weightOf = () => 1,
}: GroupedWritesOptions<Job, Answer>): (job: Job) => Promise<Answer> {
  let queue: Waiting<Job, Answer>[] = []
  let working = false

  async function work(): Promise<void> {
    // What comes in the same moment goes along.
    await Promise.resolve()
    while (queue.length > 0) await settle(take())
    working = false
  }

  function take(): readonly Waiting<Job, Answer>[] {
    let count = 0
    let weight = 0
    for (const [at, { job }] of queue.entries()) {
      const before = queue[at - 1]
      weight += weightOf(job)
      if (before !== undefined && (weight > MOST || !joins(before.job, job))) break
      count += 1
    }
    const group = queue.slice(0, count)
    queue = queue.slice(count)
    return group
  }

  async function settle(group: readonly Waiting<Job, Answer>[]): Promise<void> {
    try {
      const answer = await write(group.map(({ job }) => job))
      for (const { resolve } of group) resolve(answer)
    } catch (error) {
      if (group.length === 1) for (const { reject } of group) reject(error)
      else for (const one of group) await settle([one])
    }
  }

  return (job) =>
    new Promise((resolve, reject) => {
      queue.push({ job, resolve, reject })
      if (working) return
      working = true
      void work()
    })
}
