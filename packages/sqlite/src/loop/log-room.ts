import { closeSync, fstatSync, openSync, writeSync } from 'node:fs'
import type { Settings } from '../settings.ts'

/** Room in the write-ahead log for the commits to come: a sync that need not store a new length of the file is quicker by a tenth to a half of a millisecond. */
export interface LogRoom {
  /** Tells how many pages the log has, and how many commits there have been since the last time. Looks at nothing itself. */
  has(pages: number, commits: number): void
  /** Makes the room that is wanted. Only who has begun to write may call it: nobody else appends to the file then. */
  make(): void
}

/** Commits of more pages than these take longer for what they store than for the length of the file. */
const SMALL_COMMIT_PAGES = 32
const LEAST_PAGES = 512
/** Room for so many times the commits since the last time. */
const AHEAD = 2
const HEADER_BYTES = 32
const FRAME_BYTES = 4_096 + 24
const PIECE = new Uint8Array(1024 * 1024)

/**
 * Grows the log with zeros, which are no frames to SQLite: it reads up to the first frame whose checksum is wrong, as it does behind a log that has begun anew.
 * Beyond `checkpointPages` a log soon begins anew, and is long enough.
 */
export function createLogRoom({ path, checkpointPages }: Pick<Settings, 'path' | 'checkpointPages'>): LogRoom {
  let known = 0
  let wanted = 0

  function grow(file: number): void {
    const end = HEADER_BYTES + wanted * FRAME_BYTES
    let at = fstatSync(file).size
    if (at < HEADER_BYTES) return
    while (at < end) at += writeSync(file, PIECE, 0, Math.min(PIECE.length, end - at), at)
  }

  return {
    has(pages, commits) {
      const each = Math.max(0, pages - known) / commits
      const isFirst = known === 0
      known = pages
      if (pages === 0 || pages >= checkpointPages || (!isFirst && each > SMALL_COMMIT_PAGES)) return
      wanted = Math.min(checkpointPages, pages + Math.max(LEAST_PAGES, isFirst ? 0 : Math.ceil(each * commits * AHEAD)))
    },
    make() {
      if (wanted === 0) return
      try {
        const file = openSync(`${path}-wal`, 'r+')
        try {
          grow(file)
        } finally {
          closeSync(file)
        }
      } catch {
        // A full disk, or a log that was just removed: what needs the room will say so, and more clearly.
      }
      wanted = 0
    },
  }
}
