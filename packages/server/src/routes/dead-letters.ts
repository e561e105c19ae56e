import { MillraceError, type DeadLetterFilter, type DeadLetterView } from '@millrace/core'
import type { Context } from 'hono'
import { json } from '../reply.ts'
import { readCommand, type Command } from '../request/command.ts'
import { readQuery } from '../request/query.ts'
import { present, selectionOf, type FilterSource } from '../request/selection.ts'
import { unqueried } from '../request/unqueried.ts'
import { incomingOf, type Env, type Route, type Services } from '../services.ts'

const FILTERS = ['group', 'fingerprint', 'topic', 'type', 'eventId', 'since', 'until'] as const
const SELECTION = { names: FILTERS, what: 'dead letters', read: filterOf }

/** `/v1/dead-letters`: list, count, show, requeue, edit and discard. */
export function deadLetterRoutes(services: Services): readonly Route[] {
  const { deadLetters } = services.settings.millrace
  const read = (context: Context<Env>, allowed: readonly string[]): Promise<Command> =>
    readCommand(context.req.raw, { limits: services.settings.limits, incoming: incomingOf(context), allowed })

  async function many(context: Context<Env>, act: 'requeue' | 'discard'): Promise<Response> {
    const command = await read(context, ['ids', 'filter', 'all', 'dryRun'])
    return json(await deadLetters[act](selectionOf(command, SELECTION), { dryRun: command.flag('dryRun') }))
  }

  async function one(context: Context<Env>, act: 'requeue' | 'discard'): Promise<Response> {
    await read(context, [])
    const id = idOf(context)
    const done = await deadLetters[act]([id])
    if (done.ids.length > 0) return json(done)
    // Requeued or discarded in the meantime, or never there: the second is an error, and the first is too for a single letter.
    throw new MillraceError('dead_letter_unknown', 'There is no dead letter of this id any more.', { path: 'id' })
  }

  return [
    { method: 'GET', path: '/v1/dead-letters', handle: (context) => list(context, services) },
    {
      method: 'GET',
      path: '/v1/dead-letters/counts',
      async handle(context) {
        const group = readQuery(context.req.raw.url, ['group']).one('group')
        return json({ counts: await deadLetters.counts(group === undefined ? {} : { group }) })
      },
    },
    { method: 'POST', path: '/v1/dead-letters/requeue', handle: (context) => many(context, 'requeue') },
    { method: 'POST', path: '/v1/dead-letters/discard', handle: (context) => many(context, 'discard') },
    {
      method: 'GET',
      path: '/v1/dead-letters/:id',
      handle: unqueried(async (context) => json(await deadLetters.get(idOf(context)))),
    },
    { method: 'DELETE', path: '/v1/dead-letters/:id', handle: (context) => one(context, 'discard') },
    { method: 'POST', path: '/v1/dead-letters/:id/requeue', handle: (context) => one(context, 'requeue') },
    { method: 'POST', path: '/v1/dead-letters/:id/discard', handle: (context) => one(context, 'discard') },
    {
      method: 'POST',
      path: '/v1/dead-letters/:id/edit',
      async handle(context) {
        const command = await read(context, ['data', 'by'])
        if (!command.has('data')) {
          throw new MillraceError('request_invalid', 'The edited data is missing: send it as data.', { path: 'data' })
        }
        const by = command.string('by')
        return json(await deadLetters.edit(idOf(context), command.value('data'), by === undefined ? {} : { by }))
      },
    },
  ]
}

async function list(context: Context<Env>, { settings: { millrace } }: Services): Promise<Response> {
  const query = readQuery(context.req.raw.url, [...FILTERS, 'after', 'limit'])
  const limit = query.integer('limit', { min: 1, max: 1_000 }) ?? 100
  const after = query.one('after')
  const letters = await millrace.deadLetters.list({
    ...filterOf({ string: query.one, time: query.time }),
    ...(after === undefined ? {} : { after }),
    limit,
  })
  return json({ deadLetters: letters.map(summaryOf), next: letters.length < limit ? undefined : letters.at(-1)?.id })
}

/** A letter without its bytes and stack: those are for who opens it. */
function summaryOf({ body: _body, event: _event, error, ...rest }: DeadLetterView): object {
  return { ...rest, error: { code: error.code, message: error.message } }
}

function filterOf(from: Pick<FilterSource, 'string' | 'time'>): DeadLetterFilter {
  const entries = FILTERS.map(
    (name) => [name, name === 'since' || name === 'until' ? from.time(name) : from.string(name)] as const,
  )
  return present(Object.fromEntries(entries))
}

function idOf(context: Context<Env>): string {
  const id = context.req.param('id') ?? ''
  if (id.length === 0 || id.length > 2_048)
    throw new MillraceError('dead_letter_unknown', 'There is no dead letter of this id.')
  return id
}
