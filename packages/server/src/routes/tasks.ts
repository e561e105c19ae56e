import {
  isMillraceError,
  MillraceError,
  TASK_STATES,
  type AddOptions,
  type Selection,
  type TaskFilter,
  type TaskState,
  type TaskView,
} from '@millrace/core'
import type { Context } from 'hono'
import { json } from '../reply.ts'
import { readCommand, type Command } from '../request/command.ts'
import { readQuery } from '../request/query.ts'
import { present, selectionOf, type FilterSource } from '../request/selection.ts'
import { unqueried } from '../request/unqueried.ts'
import { incomingOf, type Env, type Route, type Services } from '../services.ts'

const FILTERS = ['queue', 'name', 'states', 'key', 'tenant', 'parent', 'fingerprint', 'since', 'until'] as const
const SELECTION = { names: FILTERS, what: 'tasks', read: filterOf }
const TEXTS = ['queue', 'id', 'key', 'tenant'] as const
const ADDED = [
  'name',
  'input',
  ...TEXTS,
  'priority',
  'dedupe',
  'delay',
  'runAt',
  'expiresAfter',
  'expiresAt',
  'attempts',
  'backoff',
  'timeout',
  'metadata',
] as const
/** How long a request for a result waits for the end of the task. */
const DEFAULT_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 60_000

/** `/v1/tasks`: add, list, show, explain and change; `/v1/workers`. */
export function taskRoutes(services: Services): readonly Route[] {
  const { tasks } = services.settings.millrace
  const read = (context: Context<Env>, allowed: readonly string[]): Promise<Command> =>
    readCommand(context.req.raw, { limits: services.settings.limits, incoming: incomingOf(context), allowed })

  /** Changes many or one: the same acts under `/v1/tasks/ACT` and `/v1/tasks/ID/ACT`. */
  const acts = {
    cancel: { reads: [], run: (what, _command, options) => tasks.cancel(what, options) },
    retry: { reads: [], run: (what, _command, options) => tasks.retry(what, options) },
    discard: { reads: [], run: (what, _command, options) => tasks.discard(what, options) },
    prioritise: {
      reads: ['priority'],
      run: (what, command, options) => tasks.prioritise(what, need(command, 'priority') as never, options),
    },
    postpone: {
      reads: ['delay'],
      run: (what, command, options) => tasks.postpone(what, need(command, 'delay') as never, options),
    },
  } satisfies Record<string, Act>

  async function one(context: Context<Env>, act: Act): Promise<Response> {
    const command = await read(context, act.reads)
    const id = idOf(context)
    const done = await act.run([id], command, {})
    if (done.ids.length > 0) return json(done)
    const { state } = await tasks.get(id)
    throw new MillraceError('task_options_invalid', `The task is ${state}; nothing was changed.`, { facts: { state } })
  }

  const changing = Object.entries<Act>(acts).flatMap(([name, act]): Route[] => [
    {
      method: 'POST',
      path: `/v1/tasks/${name}`,
      async handle(context) {
        const command = await read(context, ['ids', 'filter', 'all', 'dryRun', ...act.reads])
        return json(await act.run(selectionOf(command, SELECTION), command, { dryRun: command.flag('dryRun') }))
      },
    },
    { method: 'POST', path: `/v1/tasks/:id/${name}`, handle: (context) => one(context, act) },
  ])

  return [
    { method: 'GET', path: '/v1/tasks', handle: (context) => list(context, services) },
    {
      method: 'POST',
      path: '/v1/tasks',
      async handle(context) {
        const command = await read(context, ADDED)
        const name = command.string('name')
        if (name === undefined) throw missing('name')
        const handle = await tasks.add(name, command.value('input'), addOptionsOf(command))
        return json({ id: handle.id, deduplicated: handle.deduplicated }, 202)
      },
    },
    ...changing,
    { method: 'DELETE', path: '/v1/tasks/:id', handle: (context) => one(context, acts.discard) },
    {
      method: 'GET',
      path: '/v1/tasks/:id',
      handle: unqueried(async (context) => json(await tasks.get(idOf(context)))),
    },
    {
      method: 'GET',
      path: '/v1/tasks/:id/explain',
      handle: unqueried(async (context) => json(await tasks.explain(idOf(context)))),
    },
    {
      method: 'GET',
      path: '/v1/tasks/:id/logs',
      handle: unqueried(async (context) => json({ lines: await tasks.logs(idOf(context)) })),
    },
    {
      method: 'GET',
      path: '/v1/tasks/:id/progress',
      handle: unqueried(async (context) => json({ progress: (await tasks.progress(idOf(context))) ?? null })),
    },
    {
      method: 'GET',
      path: '/v1/tasks/:id/result',
      async handle(context) {
        const query = readQuery(context.req.raw.url, ['timeout'])
        const timeout = query.integer('timeout', { min: 1, max: LONGEST_WAIT_MS }) ?? DEFAULT_WAIT_MS
        const id = idOf(context)
        try {
          const output = await tasks.result(id, { timeout, signal: context.req.raw.signal })
          return json({ state: 'done', output: output ?? null })
        } catch (error) {
          if (!isMillraceError(error, 'wait_timeout')) throw error
          const { state } = await tasks.get(id)
          return json({ state }, 202, { 'retry-after': '1' })
        }
      },
    },
    {
      method: 'GET',
      path: '/v1/workers',
      async handle(context) {
        readQuery(context.req.raw.url, [])
        return json({ workers: await tasks.workers() })
      },
    },
  ]
}

interface Act {
  /** Members of the command beside the choice of tasks. */
  readonly reads: readonly string[]
  readonly run: (
    what: Selection<TaskFilter>,
    command: Command,
    options: { readonly dryRun?: boolean },
  ) => Promise<{ readonly ids: readonly string[] }>
}

async function list(context: Context<Env>, { settings: { millrace } }: Services): Promise<Response> {
  const query = readQuery(context.req.raw.url, [...FILTERS, 'after', 'limit'])
  const limit = query.integer('limit', { min: 1, max: 1_000 }) ?? 100
  const after = query.one('after')
  const filter = filterOf({ string: query.one, time: query.time, strings: query.many })
  const found = await millrace.tasks.list({ ...filter, ...(after === undefined ? {} : { after }), limit })
  return json({ tasks: found.map(summaryOf), next: found.length < limit ? undefined : found.at(-1)?.id })
}

/** A task without what it was given and gave, and without the stack: those are for who opens it. */
function summaryOf({ input: _input, output: _output, error, ...rest }: TaskView): object {
  return { ...rest, ...(error === undefined ? {} : { error: { ...error, stack: undefined } }) }
}

function filterOf(from: FilterSource): TaskFilter {
  const states = from.strings('states')
  const unknown = states?.find((state) => !isState(state))
  if (unknown !== undefined) {
    throw new MillraceError('request_invalid', `There are the states ${TASK_STATES.join(', ')}.`, { path: 'states' })
  }
  return present({
    queue: from.string('queue'),
    name: from.string('name'),
    states: states?.filter(isState),
    key: from.string('key'),
    tenant: from.string('tenant'),
    parent: from.string('parent'),
    fingerprint: from.string('fingerprint'),
    since: from.time('since'),
    until: from.time('until'),
  })
}

function isState(state: string): state is TaskState {
  return (TASK_STATES as readonly string[]).includes(state)
}

/** What is wrong with the values themselves is said by the backbone, by their path. */
function addOptionsOf(command: Command): AddOptions {
  const texts = Object.fromEntries(TEXTS.map((name) => [name, command.string(name)]))
  const times = { runAt: command.time('runAt'), expiresAt: command.time('expiresAt') }
  const others = ['priority', 'dedupe', 'delay', 'expiresAfter', 'attempts', 'backoff', 'timeout', 'metadata']
  const values = Object.fromEntries(others.map((name) => [name, command.value(name) ?? undefined]))
  return present({ ...texts, ...times, ...values })
}

function need(command: Command, name: string): unknown {
  if (!command.has(name)) throw missing(name)
  return command.value(name)
}

function missing(name: string): MillraceError {
  return new MillraceError('request_invalid', `The member ${name} is missing.`, { path: name })
}

function idOf(context: Context<Env>): string {
  const id = context.req.param('id') ?? ''
  if (id.length === 0 || id.length > 1_024) throw new MillraceError('task_unknown', 'There is no task of this id.')
  return id
}
