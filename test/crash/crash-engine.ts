import type { Engine } from '@millrace/core/driver'

/** The engine of a URL, as processes of a crash run open it: `sqlite:/path/to/file.db`, `postgres://...`, `redis://...`. */
export async function crashEngine(url: string): Promise<Engine> {
  // Only the package that is needed: most workers live for a second.
  if (url.startsWith('sqlite:')) {
    const { sqlite } = await import('@millrace/sqlite')
    return sqlite({ path: url.slice('sqlite:'.length), checkpointPages: 200 })
  }
  if (url.startsWith('postgres:')) {
    const { postgres } = await import('@millrace/postgres')
    return postgres(url)
  }
  const { redis } = await import('@millrace/redis')
  return redis(url)
}
