import type { QueueOptions } from '@millrace/core'
import type { Context } from 'hono'
import { json } from '../reply.ts'
import { readCommand, type Command } from '../request/command.ts'
import { readQuery } from '../request/query.ts'
import { unqueried } from '../request/unqueried.ts'
import { incomingOf, type Env, type Route, type Services } from '../services.ts'

const SETTINGS = [
  'concurrency',
  'rateLimit',
  'maxWaiting',
  'perKey',
  'fair',
  'keep',
  'keepDead',
] as const satisfies readonly (keyof QueueOptions)[]

/** `/v1/queues`: list, show, pause, resume, override what code declares and take that back, remove. */
export function queueRoutes(services: Services): readonly Route[] {
  const { queues } = services.settings.millrace
  const read = (context: Context<Env>, allowed: readonly string[]): Promise<Command> =>
    readCommand(context.req.raw, { limits: services.settings.limits, incoming: incomingOf(context), allowed })

  return [
    {
      method: 'GET',
      path: '/v1/queues',
      async handle(context) {
        readQuery(context.req.raw.url, [])
        return json({ queues: await queues.list() })
      },
    },
    {
      method: 'GET',
      path: '/v1/queues/:name',
      handle: unqueried(async (context) => json(await queues.get(nameOf(context)))),
    },
    {
      method: 'POST',
      path: '/v1/queues/:name/pause',
      async handle(context) {
        await read(context, [])
        return json(await queues.pause(nameOf(context)))
      },
    },
    {
      method: 'POST',
      path: '/v1/queues/:name/resume',
      async handle(context) {
        await read(context, [])
        return json(await queues.resume(nameOf(context)))
      },
    },
    {
      method: 'POST',
      path: '/v1/queues/:name/change',
      async handle(context) {
        const command = await read(context, SETTINGS)
        const given = SETTINGS.filter((name) => command.has(name)).map((name) => [name, command.value(name)])
        return json(await queues.change(nameOf(context), Object.fromEntries(given) as QueueOptions))
      },
    },
    {
      method: 'POST',
      path: '/v1/queues/:name/restore',
      async handle(context) {
        const names = (await read(context, ['settings'])).strings('settings')
        return json(await queues.restore(nameOf(context), names as readonly (keyof QueueOptions)[] | undefined))
      },
    },
    {
      method: 'DELETE',
      path: '/v1/queues/:name',
      async handle(context) {
        readQuery(context.req.raw.url, [])
        await queues.remove(nameOf(context))
        return new Response(null, { status: 204 })
      },
    },
  ]
}

function nameOf(context: Context<Env>): string {
  return context.req.param('name') ?? ''
}
