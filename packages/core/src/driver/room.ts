import type { NewTask, TaskState } from './task.ts'
import type { QueueSettings } from './queue-settings.ts'

/** Tasks that `maxWaiting` counts: all that have not ended and do not run. */
export const WAITING_STATES = ['blocked', 'delayed', 'waiting', 'ready', 'suspect'] as const

/** How many more tasks a queue takes; endless without a bound. */
export function roomIn(
  { maxWaiting = Infinity }: Partial<Pick<QueueSettings, 'maxWaiting'>>,
  counts: (state: TaskState) => number,
): number {
  if (maxWaiting === Infinity) return maxWaiting
  return Math.max(0, maxWaiting - WAITING_STATES.reduce((sum, state) => sum + counts(state), 0))
}

/**
 * The places of those tasks of one call for which there is no room. New tasks take it in their order; a flow comes as a whole where each of its queues has
 * some left, or not at all. Pure.
 */
export function withoutRoom(
  tasks: readonly NewTask[],
  { isNew, roomOf }: { readonly isNew: (task: NewTask) => boolean; readonly roomOf: (queue: string) => number },
): ReadonlySet<number> {
  const refused = new Set<number>()
  const left = new Map<string, number>()
  for (const { queue } of tasks) left.set(queue, (left.get(queue) ?? roomOf(queue)) - 1)
  if ([...left.values()].every((room) => room >= 0)) return refused
  for (const queue of left.keys()) left.set(queue, roomOf(queue))
  for (const together of newFlows(tasks, isNew)) {
    const queues = together.map((at) => tasks[at]?.queue ?? '')
    if (queues.every((queue) => (left.get(queue) ?? 0) > 0))
      for (const queue of queues) left.set(queue, (left.get(queue) ?? 0) - 1)
    else for (const at of together) refused.add(at)
  }
  return refused
}

/** The places of new tasks, those of one flow together, in the order of the first of each. What comes twice is new once. */
function newFlows(tasks: readonly NewTask[], isNew: (task: NewTask) => boolean): Iterable<readonly number[]> {
  const parents = new Map(tasks.map(({ id, parent }) => [id, parent]))
  const flows = new Map<string, number[]>()
  const seen = new Set<string>()
  for (const [at, task] of tasks.entries()) {
    const { id, queue, dedupe } = task
    const names = dedupe === undefined ? [`id ${id}`] : [`id ${id}`, `key ${queue} ${dedupe.key}`]
    if (names.some((name) => seen.has(name)) || !isNew(task)) continue
    for (const name of names) seen.add(name)
    let root = id
    for (let above = parents.get(id); above !== undefined && parents.has(above); above = parents.get(above))
      root = above
    const flow = flows.get(root)
    if (flow === undefined) flows.set(root, [at])
    else flow.push(at)
  }
  return flows.values()
}
