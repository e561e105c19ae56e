import { join } from 'node:path'
import type { Engine } from '@millrace/core/driver'
import type { Work } from '../work.ts'

/** The engine that the work names by its URL, or else a SQLite file in the folder of the work. */
export async function engineOf({ url, folder }: Pick<Work, 'url' | 'folder'>): Promise<Engine> {
  if (url === undefined) return (await import('@millrace/sqlite')).sqlite(join(folder, 'bench.db'))
  if (url.startsWith('redis')) return (await import('@millrace/redis')).redis(url)
  return (await import('@millrace/postgres')).postgres(url)
}
