import { MillraceError, systemRuntime, type Millrace, type Runtime } from '@millrace/core'

/** Bounds of what the server takes in and holds. */
export interface ServerLimits {
  /** Bytes of a request's body as it comes. */
  readonly bodyBytes: number
  /** Bytes of a body when it is decompressed. */
  readonly decompressedBytes: number
  /** How many times larger than its compressed form a body may become. */
  readonly decompressionRatio: number
  /** Bytes of a request's head. */
  readonly headerBytes: number
  readonly headers: number
  /** Characters of the path with its query. */
  readonly urlCharacters: number
  readonly connections: number
  /** SSE streams at once. */
  readonly streams: number
  /** Bytes that wait for one slow SSE client. */
  readonly streamBufferBytes: number
  /** Replays that run at once. */
  readonly replays: number
}

/** How long the server waits, in milliseconds. */
export interface ServerTimeouts {
  /** For the head of a request. */
  readonly headersMs: number
  /** For a whole request, its body included. */
  readonly requestMs: number
  /** For the next request on an open connection. */
  readonly keepAliveMs: number
  /** Between two signs of life on an SSE stream. */
  readonly heartbeatMs: number
  /** For a slow SSE client to take what waits for it. */
  readonly slowClientMs: number
  /** For the engine to answer `/readyz`. */
  readonly readyMs: number
}

/** An application that is served under a path. `fetch` sees the path without that prefix. */
export interface Mount {
  readonly path: string
  readonly name: string
  readonly description: string
  readonly fetch: (request: Request, connection: Connection) => Response | Promise<Response>
}

/** Who is at the other end of a request to a mounted application. */
export interface Connection {
  /** Of the socket, so a proxy's where there is one; undefined when the server did not take the request itself. */
  readonly remoteAddress: string | undefined
}

/** Options of `createServer`. */
export interface ServerOptions {
  readonly millrace: Millrace
  /** Default `127.0.0.1`. Any address but loopback needs `allowInsecure`. */
  readonly host?: string
  /** Default 4400; 0 takes a free one. */
  readonly port?: number
  /** Serves everybody who can reach the address, without authentication. */
  readonly allowInsecure?: boolean
  readonly mounts?: readonly Mount[]
  readonly limits?: Partial<ServerLimits>
  readonly timeouts?: Partial<ServerTimeouts>
  readonly runtime?: Runtime
}

/** The options with everything filled in. */
export interface Settings {
  readonly millrace: Millrace
  readonly host: string
  readonly port: number
  readonly allowInsecure: boolean
  readonly mounts: readonly Mount[]
  readonly limits: ServerLimits
  readonly timeouts: ServerTimeouts
  readonly runtime: Runtime
}

export const DEFAULT_SERVER_LIMITS: ServerLimits = {
  bodyBytes: 1024 * 1024,
  decompressedBytes: 5 * 1024 * 1024,
  decompressionRatio: 100,
  headerBytes: 16 * 1024,
  headers: 100,
  urlCharacters: 8_192,
  connections: 10_000,
  streams: 1_000,
  streamBufferBytes: 1024 * 1024,
  replays: 4,
}

export const DEFAULT_SERVER_TIMEOUTS: ServerTimeouts = {
  headersMs: 10_000,
  requestMs: 30_000,
  keepAliveMs: 60_000,
  heartbeatMs: 15_000,
  slowClientMs: 10_000,
  readyMs: 2_000,
}

const MOUNT_PATH = /^\/[a-z0-9][a-z0-9-]*(\/[a-z0-9][a-z0-9-]*)*$/
const RESERVED = /^\/(v1|api\/(events|admin)|healthz|readyz|metrics|page)(\/|$)|^\/api$/

/** Fills in defaults. Throws `config_invalid` for an unsafe address, a bad port, limit, timeout or mount. */
export function settingsOf(options: ServerOptions): Settings {
  checkNames(options)
  const { millrace, host = '127.0.0.1', port = 4400, allowInsecure = false, mounts = [] } = options
  if (!allowInsecure && !isLoopback(host)) {
    throw new MillraceError(
      'config_invalid',
      `The server would listen on ${host} without authentication. Bind 127.0.0.1, or set allowInsecure if the network is yours alone.`,
      { path: 'host' },
    )
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new MillraceError('config_invalid', `The port ${port} is not a whole number from 0 to 65535.`, {
      path: 'port',
    })
  }
  checkMounts(mounts)
  return {
    millrace,
    host,
    port,
    allowInsecure,
    mounts,
    limits: filledIn('limits', DEFAULT_SERVER_LIMITS, options.limits),
    timeouts: filledIn('timeouts', DEFAULT_SERVER_TIMEOUTS, options.timeouts),
    runtime: options.runtime ?? systemRuntime(),
  }
}

const OPTIONS: readonly string[] = [
  ...([
    'millrace',
    'host',
    'port',
    'allowInsecure',
    'mounts',
    'limits',
    'timeouts',
    'runtime',
  ] satisfies (keyof ServerOptions)[]),
]

function checkNames(options: ServerOptions): void {
  const unknown = Object.keys(options ?? {}).find((name) => !OPTIONS.includes(name))
  if (unknown !== undefined) {
    throw new MillraceError(
      'config_invalid',
      `The option "${unknown}" of createServer is not known; there are ${OPTIONS.join(', ')}.`,
      { path: unknown },
    )
  }
  if (typeof options?.millrace?.publish !== 'function') {
    throw new MillraceError('config_invalid', 'createServer needs { millrace }: what createMillrace returns.', {
      path: 'millrace',
    })
  }
}

/** Whether a host name or address can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  return bare === 'localhost' || bare === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(bare)
}

function checkMounts(mounts: readonly Mount[]): void {
  const seen = new Set<string>()
  for (const [index, { path }] of mounts.entries()) {
    if (!MOUNT_PATH.test(path) || RESERVED.test(path)) {
      throw new MillraceError(
        'config_invalid',
        `The path ${path} cannot be mounted: write it like /shop, in lower case, and not under /v1, /api/events, /api/admin or another path of the server.`,
        { path: `mounts[${index}].path` },
      )
    }
    if (seen.has(path)) {
      throw new MillraceError('config_invalid', `Two applications are mounted at ${path}.`, {
        path: `mounts[${index}].path`,
      })
    }
    seen.add(path)
  }
}

function filledIn<Values extends object>(name: string, defaults: Values, given: Partial<Values> | undefined): Values {
  for (const [key, value] of Object.entries(given ?? {})) {
    if (!Object.hasOwn(defaults, key)) {
      throw new MillraceError(
        'config_invalid',
        `${name}.${key} is not known; there are ${Object.keys(defaults).join(', ')}.`,
        { path: `${name}.${key}` },
      )
    }
    if (value !== undefined && !(typeof value === 'number' && Number.isSafeInteger(value) && value > 0)) {
      throw new MillraceError('config_invalid', `${name}.${key} must be a whole number above 0.`, {
        path: `${name}.${key}`,
      })
    }
  }
  return { ...defaults, ...given }
}
