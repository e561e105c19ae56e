import { available, startPostgres, startRedis } from 'engines'
import type { EngineServer } from 'engines'

/** An engine with a server, as the fault tests start it: at its durable settings. */
export interface Ground {
  readonly name: 'postgres' | 'redis'
  /** Whether its server can be had here. */
  readonly available: boolean
  /** The URL with short deadlines for calls: what takes them ten seconds by default is found out in a test in four. */
  impatient(url: string): string
  /** The URL with deadlines for calls that are well behind a `publishTimeoutMs` of three seconds. */
  patient(url: string): string
  /** The URL of a place of its own on the same server. */
  apart(url: string, name: string): string
  /** Starts a server of its own: it will be hurt. */
  start(options?: GroundOptions): Promise<EngineServer>
}

export interface GroundOptions {
  /** Parameters of postgresql.conf, or directives of redis.conf. */
  readonly settings?: Readonly<Record<string, string>>
  /** Where the data folder is made. */
  readonly inside?: string
}

export const POSTGRES: Ground = {
  name: 'postgres',
  available: await available('postgres'),
  impatient: (url) => `${url}?statementTimeoutMs=4000`,
  patient: (url) => `${url}?statementTimeoutMs=40000`,
  apart: (url, name) => `${url}?schema=${name}`,
  start: (options = {}) => startPostgres({ own: true, ...options }),
}

/** With an append-only file that is synced before the answer. */
export const REDIS: Ground = {
  name: 'redis',
  available: await available('redis-server'),
  impatient: (url) => `${url}?callTimeoutMs=4000`,
  patient: (url) => `${url}?callTimeoutMs=15000`,
  apart: (url, name) => `${url}?prefix=${name}:`,
  start: ({ settings = {}, ...options } = {}) =>
    startRedis({
      own: true,
      appendfsync: 'always',
      settings: { 'maxmemory-policy': 'noeviction', ...settings },
      ...options,
    }),
}

/** Those that are there. */
export const GROUNDS: readonly Ground[] = [POSTGRES, REDIS].filter((ground) => ground.available)
