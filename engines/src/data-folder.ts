import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Who ends the servers of a folder and removes it when this process dies first. */
interface Guard {
  readonly shell: ChildProcess
  readonly pids: Set<number>
}

const guards = new Map<string, Guard>()

/** Makes a folder for a server's data in `inside` (default: the system's temporary folder). It is removed when this process dies, however it does. */
export async function createDataFolder(name: string, inside: string = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(inside, `millrace-${name}-`))
  guardOf(folder)
  return folder
}

/** Removes the folder. Idempotent. */
export async function removeDataFolder(folder: string): Promise<void> {
  const guard = guards.get(folder)
  guards.delete(folder)
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  guard?.shell.kill('SIGKILL')
}

/** The process is ended with the folder, should this process die. */
export function endWithFolder(folder: string, pid: number): void {
  const guard = guardOf(folder)
  guard.pids.add(pid)
  tell(guard)
}

/** The process is gone: its number may soon be another's. */
export function leaveFolder(folder: string, pid: number): void {
  const guard = guards.get(folder)
  if (guard?.pids.delete(pid) === true) tell(guard)
}

/**
 * A shell that reads from a pipe held open by this process: the pipe closes however this process ends, and the shell then ends the
 * processes that it was last told of and removes the folder. It leads a group of its own so that a terminal's Ctrl-C does not end it first.
 */
function guardOf(folder: string): Guard {
  const known = guards.get(folder)
  if (known !== undefined) return known
  const afterwards =
    'pids=; while read -r line; do pids=$line; done; for pid in $pids; do kill -9 "$pid" 2>/dev/null; done; rm -rf "$1" || { sleep 1; rm -rf "$1"; }'
  const shell = spawn('sh', ['-c', afterwards, 'guard', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  shell.unref()
  shell.on('error', () => undefined)
  shell.stdin.on('error', () => undefined)
  const guard: Guard = { shell, pids: new Set() }
  guards.set(folder, guard)
  return guard
}

function tell({ shell, pids }: Guard): void {
  shell.stdin?.write(`${[...pids].join(' ')}\n`)
}
