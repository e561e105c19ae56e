import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context } from 'hono'
import { json, JSON_HEADERS } from './reply.ts'
import type { Env } from './services.ts'

/**
 * A JSON answer on a hot path: on our own socket it is written at once, head and body together; a web-standard response
 * would be taken apart again first, at several times the cost. Elsewhere it is that response.
 */
export function sendJson(context: Context<Env>, value: unknown, status: number): Response {
  const outgoing = context.env?.outgoing
  if (outgoing === undefined || context.req.method === 'HEAD') return json(value, status)
  const text = JSON.stringify(value)
  outgoing.writeHead(status, { ...JSON_HEADERS, 'content-length': Buffer.byteLength(text) }).end(text)
  return RESPONSE_ALREADY_SENT
}
