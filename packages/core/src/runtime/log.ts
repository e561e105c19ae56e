/** Facts beside a log line. Never a payload, never a secret. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/** The narrow logger that the product speaks to; pino, winston or the console fit it with a line each. */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

const nothing = (): void => {}

/** The log that says nothing: the default. */
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
