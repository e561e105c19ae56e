import type { RedisClient } from './client/link.ts'

/** What an application may choose about its Redis. */
export interface RedisOptions {
  /**
   * `redis://user:password@host:port/db`, `rediss://` for TLS, `redis+cluster://host:port,host:port`,
   * `redis+sentinel://host:port,host:port/name`. Either this or `client`.
   */
  readonly url?: string
  /** A connected client of `redis` (node-redis) or `ioredis`, alone, cluster or Sentinel. It stays the caller's: it is not closed. */
  readonly client?: RedisClient
  /** TLS settings as `node:tls` takes them, for `rediss://`. */
  readonly tls?: Readonly<Record<string, unknown>>
  /** What all keys and channels begin with: several backbones can share a database. Default `millrace:`. */
  readonly prefix?: string
  /** Milliseconds for one call, the wait for a lost connection included. Default 5,000. */
  readonly callTimeoutMs?: number
  /** Milliseconds for opening a connection. Default 5,000. */
  readonly connectTimeoutMs?: number
  /** Milliseconds between two looks for what retention may drop. Default 15,000. */
  readonly retentionEveryMs?: number
  /** Milliseconds between two looks for events whose announcement was lost. Default 30,000. */
  readonly pollEveryMs?: number
  /** Replicas that must have a batch before it counts as stored. Default 0. */
  readonly waitReplicas?: number
  /** The largest body that is accepted, in bytes. Default 8 MiB. */
  readonly maxBytes?: number
}

/** The options with every default filled in. */
export type Settings = Required<Omit<RedisOptions, 'url' | 'client' | 'tls'>> &
  Pick<RedisOptions, 'url' | 'client' | 'tls'>

/** Fills in the defaults. */
export function settingsOf({
  prefix = 'millrace:',
  callTimeoutMs = 5_000,
  connectTimeoutMs = 5_000,
  retentionEveryMs = 15_000,
  pollEveryMs = 30_000,
  waitReplicas = 0,
  maxBytes = 8 * 1024 * 1024,
  ...place
}: RedisOptions): Settings {
  return { ...place, prefix, callTimeoutMs, connectTimeoutMs, retentionEveryMs, pollEveryMs, waitReplicas, maxBytes }
}
