import { createHmac, randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What makes visitors of a request out of an address and a user agent. */
export interface VisitorHash {
  /** 24 hexadecimal characters: the same for the same visitor on the same day, and nothing that leads back to them. */
  (address: string, userAgent: string): string
}

const PREFIX = 'visitor-salt-'

/**
 * Visitors without cookies: a hash of address and user agent under a salt of the day (UTC). The salt lives in `folder` so
 * that several processes and a restart agree on it; with the day's end it is deleted, and with it the way from a hash
 * back to a person.
 */
export function dailyVisitorHash(folder: string, now: () => number): VisitorHash {
  let day = ''
  let salt = ''
  return (address, userAgent) => {
    const today = new Date(now()).toISOString().slice(0, 10)
    if (today !== day) {
      salt = secretFile(folder, `${PREFIX}${today}`)
      day = today
      forgetOtherDays(folder, `${PREFIX}${today}`)
    }
    return visitorOf(salt, address, userAgent)
  }
}

/** Visitors of imported logs: the salt stays, so that the same file gives the same events; a visitor lasts one day of the log. */
export function importedVisitorHash(folder: string): (day: string, address: string, userAgent: string) => string {
  const secret = secretFile(folder, 'import-salt')
  return (day, address, userAgent) => visitorOf(secret, `${day}\n${address}`, userAgent)
}

function visitorOf(salt: string, address: string, userAgent: string): string {
  return createHmac('sha256', salt).update(`${address}\n${userAgent}`).digest('hex').slice(0, 24)
}

/** Reads a secret, or makes it; of several processes that make it at once, one wins and the others read its secret. */
function secretFile(folder: string, name: string): string {
  const path = join(folder, name)
  const existing = read(path)
  if (existing !== undefined) return existing
  mkdirSync(folder, { recursive: true })
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  writeFileSync(draft, randomBytes(32).toString('hex'), { mode: 0o600 })
  try {
    linkSync(draft, path)
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error
  } finally {
    rmSync(draft, { force: true })
  }
  return readFileSync(path, 'utf8')
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function forgetOtherDays(folder: string, today: string): void {
  for (const name of readdirSync(folder)) {
    // A later day is that of a process whose clock is ahead; it is not ours to delete.
    if (name.startsWith(PREFIX) && name < today) rmSync(join(folder, name), { force: true })
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
