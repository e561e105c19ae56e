import type { LeaseStore } from '../driver/lease-store.ts'
import type { WorkerInfo } from './task-operations.ts'
import { decodeLabel } from './worker-label.ts'
import { WORKERS } from './worker-member.ts'

/** What living workers take. */
export interface KnownWork {
  takes(queue: string, name: string): boolean
  /** The queues that tasks of a name are taken from. */
  queuesOf(name: string): readonly string[]
}

/** The worker processes that have not left and are not held for dead. */
export async function workerProcesses(leases: LeaseStore): Promise<readonly WorkerInfo[]> {
  const { members } = await leases.observe(WORKERS)
  return members.map(({ member, label }) => {
    const { service, tasks } = decodeLabel(label)
    return { worker: member, label: service, tasks }
  })
}

/** Names of tasks that somebody works on, and from which queues. */
export async function knownWork(leases: LeaseStore): Promise<KnownWork> {
  const { members } = await leases.observe(WORKERS)
  const queuesOf = new Map<string, Set<string>>()
  for (const { label } of members) {
    const { tasks, queues } = decodeLabel(label)
    for (const [at, name] of tasks.entries()) {
      const known = queuesOf.get(name) ?? new Set()
      queuesOf.set(name, known.add(queues[at] ?? name))
    }
  }
  return {
    takes: (queue, name) => queuesOf.get(name)?.has(queue) === true,
    queuesOf: (name) => [...(queuesOf.get(name) ?? [])],
  }
}
