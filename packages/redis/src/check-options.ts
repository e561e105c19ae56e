import { MillraceError, unknownOption } from '@millrace/core/driver'
import type { Settings } from './settings.ts'

const OPTIONS = [
  'url',
  'client',
  'tls',
  'prefix',
  'callTimeoutMs',
  'connectTimeoutMs',
  'retentionEveryMs',
  'pollEveryMs',
  'waitReplicas',
  'maxBytes',
] as const satisfies readonly (keyof Settings)[]

/** The least that each number may be. */
const LEAST = {
  callTimeoutMs: 10,
  connectTimeoutMs: 10,
  retentionEveryMs: 10,
  pollEveryMs: 100,
  waitReplicas: 0,
  maxBytes: 1_024,
} as const

/** Refuses options that do not exist or make no sense. Throws `engine_option_unknown`, `config_invalid`. */
export function checkOptions(given: object, settings: Settings): void {
  for (const name of Object.keys(given)) {
    if (!OPTIONS.some((known) => known === name)) throw unknownOption('Redis', name, OPTIONS)
  }
  for (const [name, least] of Object.entries(LEAST)) {
    const value = settings[name as keyof typeof LEAST]
    if (Number.isSafeInteger(value) && value >= least) continue
    throw invalid(name, String(value), `a whole number of at least ${least}`)
  }
  const { url, client, prefix } = settings
  if ((url === undefined) === (client === undefined)) {
    throw new MillraceError(
      'config_invalid',
      'redis() takes either a URL or a client: redis("redis://127.0.0.1:6379").',
      {
        path: 'url',
      },
    )
  }
  if (typeof prefix !== 'string' || !/^[^{}\s]{1,64}$/.test(prefix)) {
    throw invalid('prefix', String(prefix), '1 to 64 characters without braces and blanks, such as "shop:"')
  }
}

function invalid(name: string, value: string, expected: string): MillraceError {
  return new MillraceError(
    'config_invalid',
    `redis({ ${name}: ${value.slice(0, 80)} }) is not usable: expected ${expected}.`,
    { path: name },
  )
}
