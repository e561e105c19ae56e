import { mkdirSync } from 'node:fs'
import { createMillrace, isMillraceError, systemRuntime, type Log, type Runtime } from '@millrace/core'
import type { Engine } from '@millrace/core/driver'
import { createServer } from '@millrace/server'
import { ANALYTICS_EVENTS } from './events.ts'
import { createSiteAnalytics, type Role } from './site-analytics.ts'

/** What a process runs. */
export interface RunOptions {
  readonly name: string
  readonly engine: Engine
  readonly dataDir: string
  readonly role: Role
  /** 0 takes a free one. */
  readonly port: number
  readonly say: (line: string) => void
  readonly warn: (line: string) => void
}

const CLOSING_MS = 9_000

/**
 * Runs the application in this process until SIGINT or SIGTERM: the backbone, the subscriptions and, but for a worker, the
 * server. Says `ready http://…` when it serves. Resolves with the exit code: 0 stopped, 1 failed, 3 engine unreachable.
 */
export async function runServer({ name, engine, dataDir, role, port, say, warn }: RunOptions): Promise<number> {
  mkdirSync(dataDir, { recursive: true })
  const runtime: Runtime = systemRuntime({ log: logTo(warn) })
  const stopped = signalled()
  await using stack = new AsyncDisposableStack()
  try {
    const millrace = createMillrace({ name, engine, events: ANALYTICS_EVENTS, runtime })
    stack.defer(() => millrace.close({ timeoutMs: CLOSING_MS / 3 }))
    await millrace.start()
    let origin = ''
    const analytics = stack.use(
      createSiteAnalytics({ millrace, dataDir, runtime, role, ...(role === 'worker' ? {} : { origin: () => origin }) }),
    )
    if (role === 'worker') {
      await analytics.start()
      say('ready worker')
    } else {
      const server = createServer({ millrace, port, mounts: analytics.mounts, runtime })
      stack.defer(() => server.close({ timeoutMs: CLOSING_MS / 3 }))
      // The port first: when another process has it, nothing else should have begun.
      origin = (await server.listen()).url
      await analytics.start()
      say(`ready ${origin}`)
    }
    await stopped
    return 0
  } catch (error) {
    warn(error instanceof Error ? error.message : String(error))
    return isMillraceError(error) && error.code.startsWith('engine_') ? 3 : 1
  }
}

/** Resolves at the first signal; at the second the process ends at once. */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    // Nothing else may keep the process alive while it only waits for signals.
    const alive = setInterval(() => {}, 2 ** 30)
    let again = false
    const stop = (): void => {
      if (again) process.exit(130)
      again = true
      clearInterval(alive)
      resolve()
    }
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
  })
}

function logTo(warn: (line: string) => void): Log {
  const write =
    (level: string): Log['info'] =>
    (message, fields = {}) =>
      warn(`${level} ${message} ${Object.keys(fields).length === 0 ? '' : JSON.stringify(fields)}`.trimEnd())
  return { debug: () => {}, info: () => {}, warn: write('warn'), error: write('error') }
}
