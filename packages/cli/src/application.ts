import type { Server } from '@millrace/server'
import { MillraceError } from '@millrace/core'
import type { MillraceConfig } from './config/define-config.ts'
import { variable } from './config/environment.ts'
import type { Settings } from './config/settings.ts'
import type { Session } from './session.ts'

/** Where a server listens, as flags say it. */
export interface ListenFlags {
  readonly port?: number
  readonly host?: string
}

/** The server of a session: flags before variables before configuration. Throws `config_invalid`. */
export async function serverOf({ host, millrace, settings }: Session, flags: ListenFlags): Promise<Server> {
  const port = flags.port ?? portVariable(variable(host.environment, 'MILLRACE_PORT'))
  const address = flags.host ?? variable(host.environment, 'MILLRACE_HOST')
  // Loaded only here: the other commands start faster without it.
  const { createServer } = await import('@millrace/server')
  return createServer({
    ...settings.config.server,
    millrace,
    ...(port === undefined ? {} : { port }),
    ...(address === undefined ? {} : { host: address }),
  })
}

/** Runs the `subscriptions` of the configuration. Throws `config_invalid` when there are none. */
export async function subscribeAll({ millrace, settings }: Session): Promise<void> {
  await subscriptionsOf(settings)(millrace)
}

/** The `subscriptions` of the configuration. Throws `config_invalid` when there are none. */
export function subscriptionsOf(settings: Settings): NonNullable<MillraceConfig['subscriptions']> {
  const { subscriptions } = settings.config
  if (subscriptions === undefined) {
    const where = settings.configPath ?? 'There is no millrace.config.ts here: it'
    throw new MillraceError(
      'config_invalid',
      `${where} has no subscriptions. Add: subscriptions: async (millrace) => { await millrace.subscribe(…) }`,
    )
  }
  return subscriptions
}

/** Resolves when the command is asked to end. */
export function untilInterrupted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function portVariable(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (!(port <= HIGHEST_PORT)) {
    throw new MillraceError(
      'config_invalid',
      `MILLRACE_PORT is ${JSON.stringify(text)}; it must be a whole number from 0 to ${HIGHEST_PORT}.`,
    )
  }
  return port
}

/** The highest number of a TCP port. */
export const HIGHEST_PORT = 65_535
