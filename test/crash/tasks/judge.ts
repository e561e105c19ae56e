import { checkTaskHistory, scheduledIn, waitFor, type FinalTask, type TaskHistoryReport } from '@millrace/core/testing'
import type { Driver, QueueStatus, TaskRow } from '@millrace/core/driver'
import { hardnessOf, type CrashReport } from '../checker.ts'
import type { CrashedWorld } from '../crash-run.ts'
import { letLive } from '../heal.ts'
import { machineNow, readHistories } from '../history-file.ts'
import { withDriver } from '../with-driver.ts'
import { rulesOf, SCHEDULES } from './tasks.ts'

export type TaskCrashReport = TaskHistoryReport & Pick<CrashReport, 'kills' | 'killsInFlight' | 'pauses'>

/** Without any end of a task for this long they are stuck. */
const STUCK_MS = 60_000
const DRAIN_MS = 300_000
const PAGE = 1_000

/** Lets no worker add or die any more, waits until every task has ended, lets all go in peace, and judges. */
export async function judgeTasks(
  { supervisor, engine, histories }: CrashedWorld,
  forgetsMs: number,
): Promise<TaskCrashReport> {
  await letLive(supervisor)
  await withDriver(engine, async (driver) => {
    for (const name of Object.keys(SCHEDULES)) await driver.stores.schedules?.remove(name)
    await drained(driver)
  })
  await Promise.all([...supervisor.workers].map((worker) => supervisor.leave(worker)))
  const history = readHistories(histories)
  const final = await withDriver(engine, readFinalTasks)
  return { ...checkTaskHistory(history, final, rulesOf(forgetsMs)), ...hardnessOf(history) }
}

/** Until every task has ended; gives up, for the checker to say it, when none has ended for a while. */
export async function drained(driver: Driver, stuckMs = STUCK_MS): Promise<void> {
  let least = Infinity
  let movedAt = machineNow()
  await waitFor(
    async () => {
      const left = ((await driver.stores.taskAdmin?.queues()) ?? []).reduce(
        (sum, queue) => sum + unfinishedIn(queue),
        0,
      )
      if (left < least) movedAt = machineNow()
      least = Math.min(least, left)
      return left === 0 || machineNow() - movedAt > stuckMs
    },
    { timeoutMs: DRAIN_MS, everyMs: 200, what: 'every task to end' },
  )
}

/** How many tasks of a queue have not ended. */
export function unfinishedIn({ counts }: QueueStatus): number {
  const { blocked, delayed, waiting, ready, suspect, running } = counts
  return blocked + delayed + waiting + ready + suspect + running
}

/** All that the engine holds of tasks. */
export async function readFinalTasks({ stores }: Driver): Promise<readonly FinalTask[]> {
  const tasks: FinalTask[] = []
  for (;;) {
    const after = tasks.at(-1)?.id
    const page = (await stores.taskAdmin?.list({ limit: PAGE, ...(after === undefined ? {} : { after }) })) ?? []
    tasks.push(...page.map(finalOf))
    if (page.length < PAGE) return tasks
  }
}

function finalOf({ id, name, state, attempts, starts, crashes, parent, error, output, body }: TaskRow): FinalTask {
  const doneBy = output === undefined ? undefined : (JSON.parse(output) as string)
  return { id, name, state, attempts, starts, crashes, parent, code: error?.code, doneBy, schedule: scheduledIn(body) }
}
