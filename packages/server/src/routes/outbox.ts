import type { Context } from 'hono'
import { json } from '../reply.ts'
import { readCommand } from '../request/command.ts'
import { readQuery } from '../request/query.ts'
import { incomingOf, type Env, type Route, type Services } from '../services.ts'

/** `/v1/outbox`: how much waits to be forwarded, what could not be, and the ways on. */
export function outboxRoutes({ settings: { millrace, limits } }: Services): readonly Route[] {
  const { outbox } = millrace

  async function resolve(context: Context<Env>, act: 'retry' | 'discard'): Promise<Response> {
    const command = await readCommand(context.req.raw, { limits, incoming: incomingOf(context), allowed: ['rowIds'] })
    return json({ rowIds: await outbox[act](command.strings('rowIds') ?? []) })
  }

  return [
    {
      method: 'GET',
      path: '/v1/outbox',
      async handle(context) {
        const limit = readQuery(context.req.raw.url, ['limit']).integer('limit', { min: 1, max: 1_000 }) ?? 100
        const status = await outbox.status()
        // Without rows that wait by design there are none that could fail.
        return json({ status: status ?? null, failing: status === undefined ? [] : await outbox.failing({ limit }) })
      },
    },
    { method: 'POST', path: '/v1/outbox/retry', handle: (context) => resolve(context, 'retry') },
    { method: 'POST', path: '/v1/outbox/discard', handle: (context) => resolve(context, 'discard') },
  ]
}
