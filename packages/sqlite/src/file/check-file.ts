import { MillraceError } from '@millrace/core/driver'
import { accessSync, constants, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Says in plain words what is wrong with a path before SQLite would say "unable to open database file". */
export function checkFile(path: string): void {
  const folder = dirname(path)
  if (statOf(folder)?.isDirectory() !== true) {
    throw new MillraceError('engine_unreachable', `The folder ${folder} does not exist. Create it first.`)
  }
  const file = statOf(path)
  if (file?.isDirectory() === true) {
    throw new MillraceError('engine_unreachable', `${path} is a folder; the path of a file is needed.`)
  }
  if (file !== undefined && !isWritable(path)) throw readOnly(path, 'file')
  if (!isWritable(folder)) throw readOnly(folder, 'folder')
}

function statOf(path: string): ReturnType<typeof statSync> {
  return statSync(path, { throwIfNoEntry: false })
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

function readOnly(path: string, what: string): MillraceError {
  return new MillraceError(
    'engine_read_only',
    `The ${what} ${path} cannot be written by this user. SQLite needs to write the file and, beside it, its log.`,
  )
}
