import type { TaskAdmin, TaskChange } from '../driver/task-admin.ts'
import type { TaskStore } from '../driver/task-store.ts'
import type { TaskRow, TaskState } from '../driver/task.ts'
import { LONGEST_DELAY_MS } from './retries.ts'
import { headStartOf } from './priority.ts'
import type { ActionOptions, TaskAction, TaskFilter, TaskOperations } from './task-operations.ts'
import { checkId } from './task-id.ts'
import { checkFilter, PAGE, queryOf } from './task-query.ts'
import { isDryRun } from '../runtime/dry-run.ts'
import { MillraceError } from '../runtime/error.ts'
import { filterOf, idsOf, type Selection } from '../runtime/selection.ts'

export interface TaskActionsOptions {
  readonly store: TaskStore
  readonly admin: TaskAdmin
  readonly opened: () => Promise<void>
  /** Tasks of these queues were changed. */
  readonly onChanged: (queues: ReadonlySet<string>) => void
}

type Actions = Pick<TaskOperations, 'cancel' | 'retry' | 'prioritise' | 'postpone' | 'discard'>

/** States that each change applies to: an action on a filter looks at no others. */
const NOT_STARTED = ['blocked', 'delayed', 'waiting', 'ready', 'suspect'] as const
const APPLIES: Readonly<Record<TaskChange['action'], readonly TaskState[]>> = {
  cancel: [...NOT_STARTED, 'running'],
  run: ['delayed', 'dead', 'cancelled', 'expired'],
  prioritise: NOT_STARTED,
  postpone: ['delayed', 'waiting', 'ready'],
  discard: ['done', 'dead', 'cancelled', 'expired'],
}

/** Changes of tasks, by ids or by filter, at most 1,000 at once. */
export function createTaskActions({ store, admin, opened, onChanged }: TaskActionsOptions): Actions {
  async function act(what: Selection<TaskFilter>, given: ActionOptions = {}, change: TaskChange): Promise<TaskAction> {
    const ids = idsOf(what)
    for (const id of ids ?? []) checkId(id, 'ids')
    const dryRun = isDryRun(given)
    const filter = ids === undefined ? filterOf(what as TaskFilter | 'all') : {}
    checkFilter(filter)
    await opened()
    return ids === undefined ? actOnFilter(filter, dryRun, change) : actOnIds([...new Set(ids)], dryRun, change)
  }

  async function actOnIds(ids: readonly string[], dryRun: boolean, change: TaskChange): Promise<TaskAction> {
    const changed: string[] = []
    for (let from = 0; from < ids.length; from += PAGE) {
      const rows = await store.get(ids.slice(from, from + PAGE))
      changed.push(
        ...(await apply(
          rows.filter((row) => APPLIES[change.action].includes(row.state)),
          dryRun,
          change,
        )),
      )
    }
    return { ids: changed, dryRun }
  }

  /** The list is read to its end first: what is changed leaves its place in it. */
  async function actOnFilter(filter: TaskFilter, dryRun: boolean, change: TaskChange): Promise<TaskAction> {
    const states = APPLIES[change.action].filter((state) => filter.states?.includes(state) ?? true)
    const limit = filter.limit ?? Number.POSITIVE_INFINITY
    const found: Pick<TaskRow, 'id' | 'queue'>[] = []
    let after = filter.after
    while (states.length > 0 && found.length < limit) {
      const query = queryOf({ ...filter, states }, Math.min(PAGE, limit - found.length))
      const page = await admin.list({ ...query, ...(after === undefined ? {} : { after }) })
      for (const { id, queue } of page) found.push({ id, queue })
      after = page.at(-1)?.id
      if (after === undefined) break
    }
    const changed: string[] = []
    for (let from = 0; from < found.length; from += PAGE)
      changed.push(...(await apply(found.slice(from, from + PAGE), dryRun, change)))
    return { ids: changed, dryRun }
  }

  async function apply(
    rows: readonly Pick<TaskRow, 'id' | 'queue'>[],
    dryRun: boolean,
    change: TaskChange,
  ): Promise<readonly string[]> {
    const ids = rows.map((row) => row.id)
    if (dryRun || ids.length === 0) return ids
    const changed = await admin.change(ids, change)
    onChanged(new Set(rows.map((row) => row.queue)))
    return changed
  }

  return {
    cancel: (what, options) => act(what, options, { action: 'cancel' }),
    retry: (what, options) => act(what, options, { action: 'run' }),
    prioritise: async (what, priority, options) =>
      act(what, options, { action: 'prioritise', headStartMs: headStartOf(priority) }),
    async postpone(what, delay, options) {
      if (!(typeof delay === 'number' && delay >= 0 && delay <= LONGEST_DELAY_MS))
        throw new MillraceError(
          'task_options_invalid',
          `The delay is ${typeof delay === 'number' ? delay : `of type ${typeof delay}`}; it must be milliseconds from 0 to ten years.`,
          { path: 'delay' },
        )
      return act(what, options, { action: 'postpone', delayMs: delay })
    },
    discard: (what, options) => act(what, options, { action: 'discard' }),
  }
}
