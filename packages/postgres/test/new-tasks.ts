import type { NewTask, TaskClaim, TaskSettle } from '@millrace/core/driver'
import { newTask as anyTask, settleOf, type TaskStores } from '@millrace/core/testing'
import { randomUUID } from 'node:crypto'

/** A task of the queue `q` that is due at once. */
export function newTask(more: Partial<NewTask> = {}): NewTask {
  return anyTask({ id: randomUUID(), ...more })
}

export function newTasks(count: number, more: Partial<NewTask> = {}): NewTask[] {
  return Array.from({ length: count }, () => newTask(more))
}

export function claimOf(limit: number, queue = 'q'): TaskClaim {
  return { queue, names: ['job'], limit, suspects: 1 }
}

/** Claims and settles until nothing is left; the ids that counted. */
export async function workAll(
  { tasks }: TaskStores,
  { worker = 'w', limit = 50, queue = 'q' }: { worker?: string; limit?: number; queue?: string } = {},
): Promise<string[]> {
  const finished: string[] = []
  let settles: TaskSettle[] = []
  for (;;) {
    const { settled, claimed } = await tasks.exchange({ worker, settles, notes: [], claims: [claimOf(limit, queue)] })
    for (const [at, { id }] of settles.entries()) if (settled[at] === 'settled') finished.push(id)
    settles = (claimed[0]?.tasks ?? []).map((task) => settleOf(task))
    if (settles.length === 0 && claimed[0]?.nextMs === undefined) return finished
  }
}
