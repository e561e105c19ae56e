import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system of a few megabytes in memory. */
export interface SmallDisk extends Disposable {
  readonly folder: string
  /** Gives it another size. */
  resize(megabytes: number): void
}

/** Whether one can be mounted here: root may. Says so, once, where not. */
export const canMount: boolean = process.getuid?.() === 0
if (!canMount)
  process.stderr.write('\n  !!! SKIPPED: only root can mount a small disk, so a full disk is not tried here.\n\n')

export function mountSmallDisk(megabytes: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-disk-'))
  const mount = (options: string): void => void execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder])
  mount(`size=${megabytes}m,mode=1777`)
  return {
    folder,
    resize: (size) => mount(`remount,size=${size}m`),
    [Symbol.dispose]() {
      execFileSync('umount', ['-l', folder])
      rmdirSync(folder)
    },
  }
}
