import { MillraceError } from '@millrace/core/driver'
import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs'

/**
 * POSIX locks belong to the process, not to the library that took them: when a second SQLite library in this process
 * closes the file, the locks of the first are gone, other processes believe that nobody has it open, and the
 * write-ahead log is deleted beneath us with what is committed later. What can be seen of this on Linux: one library opens
 * the `-shm` file once for all its connections, so two of its descriptors mean two libraries; our lock on the file can
 * be missing; and our `-wal` can have been deleted.
 */
export interface ForeignLibraryGuard {
  /** Throws `engine_foreign_library`, or `engine_corrupt` when the file was removed beneath us. */
  check(): void
  /** Whether some other SQLite library is loaded at all: then every transaction is checked. */
  lookForLibraries(): boolean
}

const SYSTEM_LIBRARY = /\/[^/]*(?:sqlite|libsql|sqlcipher)[^/]*\.so[.\d]*$/i
/** The first bytes of every SQLite file, which every SQLite library holds; names of addons tell nothing. */
const MAGIC = 'SQLite format 3'
/** Where SQLite's shared lock lies, from its source (`SHARED_FIRST`). */
const SHARED_LOCK_START = 0x40000002

/** A guard over an open file; elsewhere than on Linux it sees nothing. */
export function guardAgainstForeignLibraries(path: string): ForeignLibraryGuard {
  const real = realpathSync(path)
  const lock = lockOf(real)
  const seesLocks = lock !== undefined && readLocks().includes(lock)
  return {
    check() {
      const seen = inspectDescriptors(openDescriptors(), real)
      if (seen.removed) throw removed(path)
      if (seen.libraries > 1 || seen.logDeleted || (seesLocks && !readLocks().includes(lock))) throw foreign(path)
    },
    lookForLibraries: () => foreignLibraries(readText('/proc/self/maps'), holdsSqlite).length > 0,
  }
}

/** What the descriptors of this process, as the kernel names them, say about a file. */
export function inspectDescriptors(
  names: readonly string[],
  path: string,
): { readonly libraries: number; readonly logDeleted: boolean; readonly removed: boolean } {
  return {
    libraries: names.filter((name) => name === `${path}-shm`).length,
    logDeleted: names.includes(`${path}-wal (deleted)`) || names.includes(`${path}-shm (deleted)`),
    removed: names.includes(`${path} (deleted)`),
  }
}

/**
 * SQLite libraries among the mapped files of `/proc/<pid>/maps`: addons that hold SQLite, and libraries of the system by
 * their name. The one inside Node.js is no file of its own.
 */
export function foreignLibraries(maps: string, isSqlite: (addon: string) => boolean): string[] {
  const files = new Set(maps.split('\n').map((line) => (line.includes('/') ? line.slice(line.indexOf('/')) : '')))
  return [...files].filter((file) => (file.endsWith('.node') ? isSqlite(file) : SYSTEM_LIBRARY.test(file)))
}

const inspected = new Map<string, boolean>()

/** Reads an addon, once. */
function holdsSqlite(addon: string): boolean {
  let holds = inspected.get(addon)
  if (holds === undefined) {
    try {
      holds = readFileSync(addon).includes(MAGIC)
    } catch {
      holds = true
    }
    inspected.set(addon, holds)
  }
  return holds
}

function openDescriptors(): string[] {
  const names: string[] = []
  try {
    for (const fd of readdirSync('/proc/self/fd')) {
      try {
        names.push(readlinkSync(`/proc/self/fd/${fd}`))
      } catch {
        // A descriptor that was closed between the two calls.
      }
    }
  } catch {
    // Not on Linux.
  }
  return names
}

/** The words of `/proc/locks` after the kind of lock: process, device and inode, start of the range. */
function lockOf(path: string): string | undefined {
  const { dev, ino } = statSync(path, { bigint: true })
  const major = (dev >> 8n) & 0xfffn
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xfff00n)
  const hex = (value: bigint): string => value.toString(16).padStart(2, '0')
  return ` ${process.pid} ${hex(major)}:${hex(minor)}:${ino} ${SHARED_LOCK_START} `
}

function readLocks(): string {
  return readText('/proc/locks')
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function foreign(path: string): MillraceError {
  return new MillraceError(
    'engine_foreign_library',
    `A second SQLite library (such as better-sqlite3) has opened ${path} in this process, which destroys the file locks of both and can lose events. Open the file with node:sqlite only, or in another process, and restart this one.`,
  )
}

function removed(path: string): MillraceError {
  return new MillraceError(
    'engine_corrupt',
    `${path} was deleted or replaced while it was open. Stop all processes, put the file back and start again.`,
  )
}
