import { MillraceError, type OperationChange } from '@millrace/core'
import type { Context } from 'hono'
import { json } from '../reply.ts'
import { readCommand } from '../request/command.ts'
import { readQuery } from '../request/query.ts'
import { incomingOf, type Env, type Route, type Services } from '../services.ts'

const SETTINGS = ['mode', 'fallback', 'rollout', 'maxWaitMs'] as const satisfies readonly (keyof OperationChange)[]

/** `/v1/operations`: list, show, change in all processes. */
export function operationRoutes({ settings: { millrace, limits } }: Services): readonly Route[] {
  const { operations } = millrace

  return [
    {
      method: 'GET',
      path: '/v1/operations',
      async handle(context) {
        readQuery(context.req.raw.url, [])
        return json({ operations: await operations.list() })
      },
    },
    {
      method: 'GET',
      path: '/v1/operations/:name',
      async handle(context) {
        readQuery(context.req.raw.url, [])
        const found = await operations.get(nameOf(context))
        if (found !== undefined) return json(found)
        throw new MillraceError('not_found', 'No operation of this name is defined here or has stored settings.')
      },
    },
    {
      method: 'POST',
      path: '/v1/operations/:name/change',
      async handle(context) {
        const command = await readCommand(context.req.raw, {
          limits,
          incoming: incomingOf(context),
          allowed: [...SETTINGS, 'by'],
        })
        // A member that is null takes its setting back, so absent and null are not the same here.
        const given = SETTINGS.filter((name) => command.has(name)).map((name) => [name, command.value(name)])
        const by = command.string('by')
        const change = { ...Object.fromEntries(given), ...(by === undefined ? {} : { by }) } as OperationChange
        return json(await operations.change(nameOf(context), change))
      },
    },
  ]
}

function nameOf(context: Context<Env>): string {
  return context.req.param('name') ?? ''
}
