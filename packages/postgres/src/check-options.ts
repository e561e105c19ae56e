import { MillraceError, unknownOption } from '@millrace/core/driver'
import { type PostgresOptions, type Settings, settingsOf } from './settings.ts'

/** The least that each number may be. */
const LEAST: Partial<Record<keyof Settings, number>> = {
  maxConnections: 2,
  connectTimeoutMs: 10,
  statementTimeoutMs: 100,
  pollEveryMs: 10,
  retentionEveryMs: 10,
  segmentEvents: 10,
  segmentAgeMs: 100,
  maxBytes: 1_024,
}

const OTHERS = ['url', 'pool', 'client', 'listen']

/** Refuses options that do not exist or make no sense. Throws `engine_option_unknown`, `engine_url_invalid`, `config_invalid`. */
export function checkOptions(given: PostgresOptions, settings: Settings): void {
  const known = [...OTHERS, ...Object.keys(settingsOf({}))]
  for (const name of Object.keys(given)) if (!known.includes(name)) throw unknownOption('PostgreSQL', name, known)
  for (const [name, least] of Object.entries(LEAST)) {
    const value = settings[name as keyof Settings]
    if (Number.isSafeInteger(value) && Number(value) >= least) continue
    throw invalid(name, value, `a whole number of at least ${least}`)
  }
  const { schema, migrate, url, pool, client, listen } = settings
  if (typeof schema !== 'string' || !/^[a-z_][a-z0-9_]{0,39}$/.test(schema) || schema.startsWith('pg_')) {
    throw invalid('schema', schema, 'at most 40 lower-case letters, digits and _, not beginning with a digit or pg_')
  }
  if (migrate !== 'auto' && migrate !== 'check') throw invalid('migrate', migrate, 'auto or check')
  if (pool !== undefined && (url !== undefined || client !== undefined)) {
    throw new MillraceError(
      'config_invalid',
      'postgres({ pool }) takes no url and no client options: the pool has its own.',
    )
  }
  for (const text of [url, listen]) if (typeof text === 'string') checkUrl(text)
}

/** Throws `engine_url_invalid`, without the URL, which may hold a password. */
function checkUrl(url: string): void {
  if (/^postgres(?:ql)?:\/\//.test(url) && URL.canParse(url)) return
  throw new MillraceError(
    'engine_url_invalid',
    'That is not the URL of a PostgreSQL. Write postgres://user:password@host:5432/database, with special characters of the password as %XX.',
  )
}

function invalid(name: string, value: unknown, expected: string): MillraceError {
  return new MillraceError(
    'config_invalid',
    `postgres({ ${name}: ${String(value).slice(0, 100)} }) is not usable: expected ${expected}.`,
    {
      path: name,
    },
  )
}
