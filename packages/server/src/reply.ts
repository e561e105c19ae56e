import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context } from 'hono'
import type { Env } from './services.ts'

/** On every answer of the API: it is data, never a page, never cached, never framed. */
export const API_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

const JSON_HEADERS: Readonly<Record<string, string>> = { ...API_HEADERS, 'content-type': 'application/json' }

/** A JSON answer. */
export function json(value: unknown, status = 200, headers?: Readonly<Record<string, string>>): Response {
  return jsonText(JSON.stringify(value), status, headers)
}

/** A JSON answer from text that is JSON already. */
export function jsonText(text: string, status = 200, headers?: Readonly<Record<string, string>>): Response {
  return new Response(text, { status, headers: headers === undefined ? JSON_HEADERS : { ...JSON_HEADERS, ...headers } })
}

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
