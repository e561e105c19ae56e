import type { ReadStream, WriteStream } from 'node:tty'
import type { ExitCode } from './failure.ts'

/** What the command has from its process. */
export interface Host {
  readonly cwd: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly stdin: ReadStream
  readonly stdout: WriteStream
  readonly stderr: WriteStream
  /** Struck from everything that goes to stderr. */
  readonly secrets: Set<string>
  /** Fires on Ctrl-C and SIGTERM, and when the reader of stdout has gone away. */
  readonly signal: AbortSignal
  /** Whether the reader of stdout has gone away (`| head -1`). */
  readonly isPipeClosed: () => boolean
  /** Raises the exit code of a command that goes on. */
  fail(code?: ExitCode): void
  readonly exitCode: () => ExitCode
}

/** Takes over the signals and the pipes of this process. A second Ctrl-C ends it at once. */
export function createHost(): Host {
  const interrupted = new AbortController()
  let isPipeClosed = false
  let exitCode: ExitCode = 0
  let interrupts = 0
  process.on('SIGINT', () => {
    interrupts += 1
    if (interrupts > 1) process.exit(130)
    interrupted.abort()
  })
  process.on('SIGTERM', () => interrupted.abort())
  // A child of `dev` ends with its parent.
  process.on('disconnect', () => interrupted.abort())
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      isPipeClosed ||= stream === process.stdout
      interrupted.abort()
    })
  }
  return {
    cwd: process.cwd(),
    environment: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    secrets: new Set(),
    signal: interrupted.signal,
    isPipeClosed: () => isPipeClosed,
    fail: (code = 1) => {
      exitCode = code
    },
    exitCode: () => exitCode,
  }
}
