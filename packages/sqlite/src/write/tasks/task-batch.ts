import type { NewTask } from '@millrace/core/driver'

/**
 * Tasks as they travel to the writer thread: arrays side by side and each name once. What most tasks do not have travels
 * only with those that have it.
 */
export interface TaskBatch {
  readonly queues: readonly string[]
  readonly names: readonly string[]
  readonly queueOf: readonly number[]
  readonly nameOf: readonly number[]
  readonly ids: readonly string[]
  readonly bodies: readonly string[]
  readonly headStarts: readonly number[]
  readonly delays: readonly number[]
  readonly rests: readonly (TaskRest | undefined)[]
}

type TaskRest = Pick<NewTask, 'key' | 'tenant' | 'expiresInMs' | 'dedupe' | 'parent' | 'children' | 'failFast'>

const NO_REST: TaskRest = {
  key: undefined,
  tenant: undefined,
  expiresInMs: undefined,
  dedupe: undefined,
  parent: undefined,
  children: 0,
  failFast: false,
}

/** Lays tasks side by side. */
export function encodeTasks(tasks: readonly NewTask[]): TaskBatch {
  const queues = new Map<string, number>()
  const names = new Map<string, number>()
  const placeOf = (places: Map<string, number>, name: string): number => {
    let place = places.get(name)
    if (place === undefined) places.set(name, (place = places.size))
    return place
  }
  const batch = {
    queueOf: [] as number[],
    nameOf: [] as number[],
    ids: [] as string[],
    bodies: [] as string[],
    headStarts: [] as number[],
    delays: [] as number[],
    rests: [] as (TaskRest | undefined)[],
  }
  for (const task of tasks) {
    batch.queueOf.push(placeOf(queues, task.queue))
    batch.nameOf.push(placeOf(names, task.name))
    batch.ids.push(task.id)
    batch.bodies.push(task.body)
    batch.headStarts.push(Math.round(task.headStartMs))
    batch.delays.push(Math.max(0, Math.ceil(task.delayMs)))
    batch.rests.push(restOf(task))
  }
  return { ...batch, queues: [...queues.keys()], names: [...names.keys()] }
}

/** One task of a batch. */
export function taskAt(batch: TaskBatch, index: number): NewTask {
  return {
    id: batch.ids[index] ?? '',
    queue: batch.queues[batch.queueOf[index] ?? 0] ?? '',
    name: batch.names[batch.nameOf[index] ?? 0] ?? '',
    body: batch.bodies[index] ?? '',
    headStartMs: batch.headStarts[index] ?? 0,
    delayMs: batch.delays[index] ?? 0,
    ...(batch.rests[index] ?? NO_REST),
  }
}

function restOf({ key, tenant, expiresInMs, dedupe, parent, children, failFast }: NewTask): TaskRest | undefined {
  const plain =
    key === undefined &&
    tenant === undefined &&
    expiresInMs === undefined &&
    dedupe === undefined &&
    parent === undefined &&
    children === 0
  if (plain) return undefined
  const expires = expiresInMs === undefined ? undefined : Math.ceil(expiresInMs)
  const ofFlow = parent !== undefined || children > 0
  return { key, tenant, expiresInMs: expires, dedupe: ofFlow ? undefined : dedupe, parent, children, failFast }
}
