import { MillraceError } from '@millrace/core/driver'

/** Where a server is. */
export interface Node {
  readonly host: string
  readonly port: number
}

/** What a URL of Redis says. */
export interface RedisPlace {
  readonly kind: 'alone' | 'cluster' | 'sentinel'
  readonly tls: boolean
  readonly nodes: readonly Node[]
  readonly credentials: { readonly username?: string; readonly password?: string }
  readonly database: number
  /** The name of the master, for Sentinel. */
  readonly master: string
  /** The URL without its secret: for people and logs. */
  readonly name: string
  /** The options, as they are written. */
  readonly query: URLSearchParams
}

const SCHEMES: Readonly<Record<string, { readonly kind: RedisPlace['kind']; readonly tls: boolean }>> = {
  redis: { kind: 'alone', tls: false },
  rediss: { kind: 'alone', tls: true },
  'redis+cluster': { kind: 'cluster', tls: false },
  'rediss+cluster': { kind: 'cluster', tls: true },
  'redis+sentinel': { kind: 'sentinel', tls: false },
  'rediss+sentinel': { kind: 'sentinel', tls: true },
}
const URL_FORM = /^([a-z+]+):\/\/(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i

/** Takes a URL apart. Throws `engine_url_invalid`, which never shows the secret. */
export function readUrl(url: string): RedisPlace {
  const [, scheme = '', userInfo, hosts = '', path = '', query = ''] = URL_FORM.exec(url) ?? []
  const form = Object.hasOwn(SCHEMES, scheme.toLowerCase()) ? SCHEMES[scheme.toLowerCase()] : undefined
  if (form === undefined) throw invalid('This')
  // A password with a bare / or ? ends up in what looks like host, path and query: then nothing of them is shown.
  if (`${path}?${query}`.includes('@')) throw invalid('This (write / ? # and @ of a password as %2F %3F %23 %40)')
  const nodes = hosts.split(',').map((host) => readNode(host, form.kind === 'sentinel' ? 26_379 : 6_379))
  const shown = `${scheme.toLowerCase()}://${hosts}${path === '' ? '' : `/${path}`}`
  const isPlain = form.kind === 'alone' && nodes.length === 1 && /^\d{0,5}$/.test(path)
  const isCluster = form.kind === 'cluster' && path === ''
  const isSentinel = form.kind === 'sentinel' && path !== ''
  if (!isPlain && !isCluster && !isSentinel) throw invalid(`"${shown.slice(0, 200)}"`)
  return {
    ...form,
    nodes,
    credentials: readCredentials(userInfo),
    database: isPlain ? Number(path) : 0,
    master: isSentinel ? decode(path) : '',
    name: shown,
    query: new URLSearchParams(query),
  }
}

function readNode(text: string, defaultPort: number): Node {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/i.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined || Number(port ?? 1) > 65_535 || Number(port ?? 1) < 1)
    throw invalid(`The host "${text.slice(0, 100)}"`)
  return { host, port: port === undefined ? defaultPort : Number(port) }
}

function readCredentials(userInfo: string | undefined): RedisPlace['credentials'] {
  if (userInfo === undefined) return {}
  const colon = userInfo.indexOf(':')
  const username = decode(colon === -1 ? userInfo : userInfo.slice(0, colon))
  const password = colon === -1 ? '' : decode(userInfo.slice(colon + 1))
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // The part may be the password: it is not shown.
    throw invalid('This (it has a broken % sequence)')
  }
}

function invalid(what: string): MillraceError {
  return new MillraceError(
    'engine_url_invalid',
    `${what} is not the URL of a Redis. Write redis://host:6379/0, rediss://… for TLS, redis+cluster://host1,host2 or ` +
      'redis+sentinel://host1,host2/name.',
  )
}
