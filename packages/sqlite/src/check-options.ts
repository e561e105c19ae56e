import { MillraceError, unknownOption } from '@millrace/core/driver'
import type { Settings } from './settings.ts'

/** The least that each number may be. */
const LEAST: Partial<Record<keyof Settings, number>> = {
  busyTimeoutMs: 0,
  retentionEveryMs: 10,
  pollEveryMs: 10,
  checkpointPages: 100,
  maxBytes: 1_024,
  maxPages: 50,
}

/** Refuses options that do not exist or make no sense. Throws `engine_option_unknown`, `config_invalid`. */
export function checkOptions(given: object, settings: Settings): void {
  const known = Object.keys(settings)
  for (const name of Object.keys(given)) if (!known.includes(name)) throw unknownOption('SQLite', name, known)
  for (const [name, least] of Object.entries(LEAST)) {
    const value = settings[name as keyof Settings]
    if (value === undefined || (Number.isSafeInteger(value) && Number(value) >= least)) continue
    throw invalid(name, value, `a whole number of at least ${least}`)
  }
  const { path, synchronous, processes } = settings
  if (typeof path !== 'string' || path === '' || path.includes('\0')) throw invalid('path', path, 'the path of a file')
  if (path === ':memory:' || path.startsWith('file:')) {
    throw invalid(
      'path',
      path,
      'the path of a file; for a backbone without a file use memory() of @millrace/core/memory',
    )
  }
  if (path.startsWith('sqlite:'))
    throw invalid('path', path, 'a path without "sqlite:"; URLs are for tools and --engine')
  if (synchronous !== 'full' && synchronous !== 'normal') throw invalid('synchronous', synchronous, 'full or normal')
  if (processes !== 'many' && processes !== 'single') throw invalid('processes', processes, 'many or single')
}

function invalid(name: string, value: unknown, expected: string): MillraceError {
  return new MillraceError(
    'config_invalid',
    `sqlite({ ${name}: ${String(value)} }) is not usable: expected ${expected}.`,
    {
      path: name,
    },
  )
}
