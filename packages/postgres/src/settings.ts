import type { ClientConfig, Pool } from 'pg'

/** What an application may choose about its PostgreSQL. */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`, with the parameters that `pg` knows, such as `sslmode`. */
  readonly url?: string
  /** A pool of the application's own, which it opened and will close; instead of `url`. */
  readonly pool?: Pool
  /** Further options of the client `pg`, such as `ssl`; only with `url`. */
  readonly client?: ClientConfig
  /** The schema that holds everything; several may share a database. Lower-case letters, digits and `_`. Default `millrace`. */
  readonly schema?: string
  /**
   * Where notifications come from: a URL around a pooler, or false for polling alone. Default: the same server; a pooler that
   * loses notifications is noticed, and then polling is all there is.
   */
  readonly listen?: string | false
  /** `auto` (default) creates and updates the schema; `check` refuses to start with an old one, for roles that may not. */
  readonly migrate?: 'auto' | 'check'
  /** The most connections of the pool. Default 10. */
  readonly maxConnections?: number
  /** Milliseconds to find a server, over several tries, before `engine_unreachable`. Default 5,000. */
  readonly connectTimeoutMs?: number
  /** Milliseconds that one statement may take. Default 10,000. */
  readonly statementTimeoutMs?: number
  /** Milliseconds between two looks for new events where notifications do not come. Default 2,000. */
  readonly pollEveryMs?: number
  /** Milliseconds between two looks for what retention may drop while events are published. Default 1,000. */
  readonly retentionEveryMs?: number
  /** Events after which a topic's log begins a new table. Default 1,000,000. */
  readonly segmentEvents?: number
  /** Milliseconds after which it does. Default one day. */
  readonly segmentAgeMs?: number
  /** The largest body that is accepted, in bytes. Default 16 MiB. */
  readonly maxBytes?: number
}

/** The options with every default filled in. */
export type Settings = Required<Omit<PostgresOptions, 'url' | 'pool' | 'client' | 'listen'>> &
  Pick<PostgresOptions, 'url' | 'pool' | 'client' | 'listen'>

/** Fills in the defaults. */
export function settingsOf(options: PostgresOptions): Settings {
  return {
    schema: 'millrace',
    migrate: 'auto',
    maxConnections: 10,
    connectTimeoutMs: 5_000,
    statementTimeoutMs: 10_000,
    pollEveryMs: 2_000,
    retentionEveryMs: 1_000,
    segmentEvents: 1_000_000,
    segmentAgeMs: 86_400_000,
    maxBytes: 16 * 1024 * 1024,
    ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
  }
}
