import type { IncomingMessage } from 'node:http'
import { MillraceError } from '@millrace/core'
import { isLoopback, type Settings } from '../options.ts'

const READING = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * What a page of another site must not do to a server without passwords: reach it under a name of its own (DNS
 * rebinding), or send it commands (CSRF). Returns the refusal, if any: code `forbidden`.
 */
export function refusalOf(
  request: Request,
  settings: Settings,
  incoming: IncomingMessage | undefined,
): MillraceError | undefined {
  const host = request.headers.get('host')
  if (incoming !== undefined && !settings.allowInsecure && !isOurName(host, settings.host)) {
    return new MillraceError(
      'forbidden',
      'The Host header names another machine. This server answers to localhost and its loopback address only.',
    )
  }
  if (READING.has(request.method)) return undefined
  const origin = request.headers.get('origin')
  if (origin !== null && !isSameOrigin(origin, host ?? new URL(request.url).host)) {
    return new MillraceError(
      'forbidden',
      'The request comes from a page of another site. Only our own pages may change anything.',
    )
  }
  const site = request.headers.get('sec-fetch-site')
  if (site === 'cross-site' || site === 'same-site') {
    return new MillraceError(
      'forbidden',
      'The request comes from a page of another site. Only our own pages may change anything.',
    )
  }
  return undefined
}

function isOurName(host: string | null, bound: string): boolean {
  if (host === null) return false
  const name = host.replace(/:\d+$/, '')
  return isLoopback(name) || name.toLowerCase() === bound.toLowerCase()
}

function isSameOrigin(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
}
