import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { MillraceError } from '@millrace/core'
import { memory } from '@millrace/core/memory'
import type { Engine } from '@millrace/core/driver'
import { postgresFromUrl } from '@millrace/postgres'
import { redisFromUrl } from '@millrace/redis'
import { sqlite } from '@millrace/sqlite'

/** Opens nothing yet: the engine that a URL names, paths relative to `cwd`. Throws `engine_url_invalid`. */
export function engineFromUrl(url: string, cwd: string): Engine {
  if (url === 'memory:') return memory()
  if (url.startsWith('sqlite:') && url.length > 'sqlite:'.length) {
    const path = resolve(cwd, url.slice('sqlite:'.length))
    mkdirSync(dirname(path), { recursive: true })
    return sqlite(path)
  }
  if (/^postgres(?:ql)?:/i.test(url)) return postgresFromUrl(url)
  if (/^rediss?(?:\+[a-z]+)?:/i.test(url)) return redisFromUrl(url)
  // The scheme only: what follows may hold a password.
  const scheme = /^[a-z][a-z0-9+.-]{0,30}:/i.exec(url)?.[0] ?? 'This'
  throw new MillraceError(
    'engine_url_invalid',
    `${scheme} is no engine that this command knows. Use sqlite:./file.db, postgres://host/database, redis://host:6379 or memory:.`,
  )
}
