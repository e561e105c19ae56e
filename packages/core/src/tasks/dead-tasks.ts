import { checkDeadLetterFilter, type DeadLetterFilter } from '../bus/dead-letter-filter.ts'
import {
  countViewOf,
  type DeadLetterAction,
  type DeadLetterCountView,
  type DeadLetters,
  type DeadLetterView,
} from '../bus/dead-letters.ts'
import type { TaskAdmin, TaskQuery } from '../driver/task-admin.ts'
import type { TaskStore } from '../driver/task-store.ts'
import type { TaskRow } from '../driver/task.ts'
import { isDryRun } from '../runtime/dry-run.ts'
import { MillraceError } from '../runtime/error.ts'
import { filterOf, idsOf, type Selection } from '../runtime/selection.ts'
import { checkInput } from './check-input.ts'
import { decodeTaskBody, encodeTaskBody } from './task-body.ts'
import type { TaskCatalog } from './task-catalog.ts'
import type { TaskOperations } from './task-operations.ts'
import { PAGE } from './task-query.ts'
import { failedAttempts } from './view-of.ts'

/** Alone it is the place past all events and before the first of the tasks. */
const MARK = 'task:'
const GROUP = 'queue:'

export interface DeadTasksOptions {
  readonly store: TaskStore
  readonly admin: TaskAdmin
  readonly catalog: TaskCatalog
  readonly operations: Pick<TaskOperations, 'retry' | 'discard'>
  readonly opened: () => Promise<void>
  readonly onChanged: (queues: ReadonlySet<string>) => void
}

/**
 * Dead letters of events and dead tasks as one: those of events first. A dead task is in the group `queue:<name>`, its topic and type are
 * the name of the task, its position and event id are its own id, and its id as a letter carries a mark.
 */
export function joinDeadTasks(letters: DeadLetters, options: DeadTasksOptions): DeadLetters {
  const { store, admin, catalog, operations, opened, onChanged } = options

  async function need(id: string): Promise<TaskRow> {
    await opened()
    const [row] = await store.get([id.slice(MARK.length)])
    if (row?.state === 'dead') return row
    throw new MillraceError(
      'dead_letter_unknown',
      `There is no dead letter "${id}": it was requeued, discarded, or never there.`,
      { facts: { id } },
    )
  }

  async function list(filter: DeadLetterFilter): Promise<readonly DeadLetterView[]> {
    checkDeadLetterFilter(filter)
    const { limit = 100, after } = filter
    const isPastEvents = after?.startsWith(MARK) === true
    const ofEvents = isPastEvents || isOfTasks(filter) ? [] : await letters.list(filter)
    const query = limit - ofEvents.length <= 0 ? undefined : queryOf(filter, limit - ofEvents.length)
    if (query === undefined) return ofEvents
    await opened()
    if (filter.eventId !== undefined) return [...ofEvents, ...(await byId(filter, filter.eventId))]
    const last = isPastEvents ? after.slice(MARK.length) : ''
    const rows = await admin.list({ ...query, ...(last === '' ? {} : { after: last }) })
    return [...ofEvents, ...rows.map(letterOf)]
  }

  async function byId({ group, fingerprint }: DeadLetterFilter, id: string): Promise<readonly DeadLetterView[]> {
    const rows = (await store.get([id])).filter((row) => row.state === 'dead')
    return rows
      .map(letterOf)
      .filter((letter) => (group ?? letter.group) === letter.group)
      .filter((letter) => (fingerprint ?? letter.fingerprint) === letter.fingerprint)
  }

  async function counts(filter: { readonly group?: string } = {}): Promise<readonly DeadLetterCountView[]> {
    checkDeadLetterFilter(filter)
    const { group } = filter
    const ofEvents = group?.startsWith(GROUP) === true ? [] : await letters.counts(group === undefined ? {} : { group })
    if (group !== undefined && !group.startsWith(GROUP)) return ofEvents
    await opened()
    const ofTasks = await admin.deadCounts(group === undefined ? {} : { queue: group.slice(GROUP.length) })
    return [
      ...ofEvents,
      ...ofTasks.map(({ queue, ...count }) => ({ ...countViewOf(count), group: `${GROUP}${queue}` })),
    ]
  }

  async function act(
    what: Selection<DeadLetterFilter>,
    given: { readonly dryRun?: boolean } = {},
    action: 'requeue' | 'discard',
  ): Promise<DeadLetterAction> {
    const dryRun = isDryRun(given)
    const onTasks = action === 'requeue' ? operations.retry : operations.discard
    const chosen = idsOf(what)
    if (chosen !== undefined) {
      const ofTasks = chosen.filter((id) => id.startsWith(MARK)).map((id) => id.slice(MARK.length))
      const others = chosen.filter((id) => !id.startsWith(MARK))
      const events = others.length === 0 ? { ids: [] } : await letters[action](others, { dryRun })
      await opened()
      const dead = (await store.get(ofTasks)).filter((row) => row.state === 'dead').map((row) => row.id)
      const tasks = dead.length === 0 ? { ids: [] } : await onTasks(dead, { dryRun })
      return { ids: [...events.ids, ...tasks.ids.map(marked)], dryRun }
    }
    const filter = filterOf(what)
    checkDeadLetterFilter(filter)
    const events = isOfTasks(filter) ? { ids: [] } : await letters[action](what, { dryRun })
    const left = (filter.limit ?? Number.POSITIVE_INFINITY) - events.ids.length
    const ids = left <= 0 ? [] : await matching(filter, left)
    const tasks = ids.length === 0 ? { ids } : await onTasks(ids, { dryRun })
    return { ids: [...events.ids, ...tasks.ids.map(marked)], dryRun }
  }

  async function matching(filter: DeadLetterFilter, limit: number): Promise<readonly string[]> {
    const ids: string[] = []
    let after = filter.after?.startsWith(MARK) === true ? filter.after : MARK
    while (ids.length < limit) {
      const { limit: _limit, after: _after, ...rest } = filter
      const page = await list({ ...rest, after, limit: Math.min(PAGE, limit - ids.length) })
      ids.push(...page.map((letter) => letter.eventId))
      after = page.at(-1)?.id ?? ''
      if (page.length < PAGE) break
    }
    return ids
  }

  async function edit(id: string, data: unknown): Promise<{ readonly id: string; readonly eventId: string }> {
    const row = await need(id)
    const definition = catalog.get(row.name)
    const body = decodeTaskBody(row.body)
    const edited =
      definition === undefined
        ? { ...body, input: checkInput({ name: row.name, input: undefined }, data), unchecked: true, edited: true }
        : { ...body, input: checkInput<unknown>(definition, data), unchecked: false, asIs: false, edited: true }
    const changed = await admin.change([row.id], { action: 'run', body: encodeTaskBody(edited) })
    onChanged(new Set([row.queue]))
    if (changed.includes(row.id)) return { id, eventId: row.id }
    throw new MillraceError(
      'dead_letter_changed',
      `The dead letter "${id}" was requeued or discarded while it was edited.`,
      { facts: { id } },
    )
  }

  return {
    list: (filter = {}) => list(filter),
    counts,
    get: async (id) => (id.startsWith(MARK) ? letterOf(await need(id)) : letters.get(id)),
    requeue: (what, given) => act(what, given, 'requeue'),
    discard: (what, given) => act(what, given, 'discard'),
    edit: (id, data, given) => (id.startsWith(MARK) ? edit(id, data) : letters.edit(id, data, given)),
  }
}

function isOfTasks({ group }: DeadLetterFilter): boolean {
  return typeof group === 'string' && group.startsWith(GROUP)
}

/** Undefined when the filter can match no task. */
function queryOf(filter: DeadLetterFilter, limit: number): TaskQuery | undefined {
  const { group, fingerprint, topic, type, since, until } = filter
  if (group !== undefined && !group.startsWith(GROUP)) return undefined
  if (topic !== undefined && type !== undefined && topic !== type) return undefined
  const name = type ?? topic
  return {
    states: ['dead'],
    limit,
    ...(group === undefined ? {} : { queue: group.slice(GROUP.length) }),
    ...(name === undefined ? {} : { name }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(since === undefined ? {} : { since: since.getTime() }),
    ...(until === undefined ? {} : { until: until.getTime() }),
  }
}

function letterOf(row: TaskRow): DeadLetterView {
  const failedAt = new Date(row.endedAt ?? row.dueAt).toISOString()
  const { error } = row
  return {
    id: marked(row.id),
    group: `${GROUP}${row.queue}`,
    topic: row.name,
    partition: 0,
    position: row.id,
    event: undefined,
    eventId: row.id,
    eventType: row.name,
    body: row.body,
    error: { code: error?.code ?? 'task_failed', message: error?.message ?? '', stack: error?.stack },
    attempts: failedAttempts(row),
    firstFailedAt: row.startedAt === undefined ? failedAt : new Date(row.startedAt).toISOString(),
    lastFailedAt: failedAt,
    fingerprint: error?.fingerprint ?? '',
  }
}

function marked(id: string): string {
  return `${MARK}${id}`
}
