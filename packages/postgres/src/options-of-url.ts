import { MillraceError, unknownOption } from '@millrace/core/driver'
import type { PostgresOptions } from './settings.ts'

type UrlOption = Exclude<keyof PostgresOptions, 'url' | 'pool' | 'client'>

/** How each option of ours is written in a URL. */
const READERS: { readonly [Name in UrlOption]: (text: string, name: string) => PostgresOptions[Name] } = {
  schema: (text) => text,
  listen: (text) => (text === 'false' ? false : text),
  migrate: oneOf(['auto', 'check']),
  maxConnections: wholeNumber,
  connectTimeoutMs: wholeNumber,
  statementTimeoutMs: wholeNumber,
  pollEveryMs: wholeNumber,
  retentionEveryMs: wholeNumber,
  segmentEvents: wholeNumber,
  segmentAgeMs: wholeNumber,
  maxBytes: wholeNumber,
}

/** What the client library reads from a URL by itself. */
const CLIENT_PARAMETERS: ReadonlySet<string> = new Set([
  'application_name',
  'fallback_application_name',
  'host',
  'port',
  'user',
  'options',
  'ssl',
  'sslmode',
  'sslcert',
  'sslkey',
  'sslrootcert',
  'sslnegotiation',
  'uselibpqcompat',
])

/**
 * The options that a URL such as `postgres://user:password@host/database?schema=shop` holds, with the URL that is left for the client.
 * Throws `engine_url_invalid`, `engine_option_unknown`; never with the URL itself, which may hold a password.
 */
export function optionsOfUrl(url: string): PostgresOptions {
  const [address = '', query = ''] = url.split('?', 2)
  const options: Record<string, unknown> = {}
  const kept = new URLSearchParams()
  for (const [name, text] of new URLSearchParams(query)) {
    if (isUrlOption(name)) options[name] = READERS[name](text, name)
    else if (CLIENT_PARAMETERS.has(name)) kept.append(name, text)
    else if (name === 'channel_binding') readBinding(text, kept)
    // The rest of a password with a bare "?" in it would be repeated in the error.
    else if (!/^\w+$/.test(name)) throw badAddress()
    else throw unknownOption('PostgreSQL', name, [...Object.keys(READERS), ...CLIENT_PARAMETERS, 'channel_binding'])
  }
  return { ...options, url: kept.size === 0 ? address : `${address}?${kept.toString()}` }
}

/** Hosted servers put it into the URLs that they hand out, by the name of libpq; the client has another. */
function readBinding(text: string, kept: URLSearchParams): void {
  if (text !== 'disable') kept.append('enableChannelBinding', 'true')
}

function isUrlOption(name: string): name is UrlOption {
  return Object.hasOwn(READERS, name)
}

function badAddress(): MillraceError {
  return new MillraceError(
    'engine_url_invalid',
    'That is not the URL of a PostgreSQL. Write postgres://user:password@host:5432/database, with special characters of the password as %XX.',
  )
}

function oneOf<const Value extends string>(allowed: readonly Value[]): (text: string, name: string) => Value {
  return (text, name) => {
    const value = allowed.find((each) => each === text)
    if (value === undefined) throw badValue(name, allowed.join(' or '))
    return value
  }
}

function wholeNumber(text: string, name: string): number {
  if (!/^\d{1,15}$/.test(text)) throw badValue(name, 'a whole number')
  return Number(text)
}

function badValue(name: string, expected: string): MillraceError {
  return new MillraceError('engine_url_invalid', `The option ${name} of the URL must be ${expected}.`, { path: name })
}
