import type { AnyEventDefinition, AnyTaskDefinition, Millrace, MillraceOptions } from '@millrace/core'
import type { Engine } from '@millrace/core/driver'
import type { ServerOptions } from '@millrace/server'

/** Where and how `millrace serve` and `millrace dev` listen. */
export type ServerConfig = Omit<ServerOptions, 'millrace' | 'runtime'>

/** What `millrace.config.ts` exports: one description of an application for the command line. */
export interface MillraceConfig {
  /** The engine, or its URL. `--engine` and `MILLRACE_ENGINE` come before it. */
  readonly engine?: Engine | string
  /** The name of the service. `MILLRACE_NAME` comes before it. Default `app`. */
  readonly name?: string
  /** Definitions by which `publish` and `dlq edit` check data. */
  readonly events?: readonly AnyEventDefinition[]
  /** Definitions by which `tasks add` and `schedules put` check inputs. */
  readonly tasks?: readonly AnyTaskDefinition[]
  readonly topics?: MillraceOptions['topics']
  readonly durability?: MillraceOptions['durability']
  /** Subscribes the handlers and begins the work on tasks; called once by `dev` and `worker`. */
  readonly subscriptions?: (millrace: Millrace) => Promise<void> | void
  readonly server?: ServerConfig
}

/**
 * Types the configuration of an application.
 *
 * @example
 * export default defineConfig({
 *   engine: 'sqlite:./.millrace/millrace.db',
 *   events: [OrderPlaced],
 *   subscriptions: async (millrace) => {
 *     await millrace.subscribe(OrderPlaced, sendReceipt, { group: 'receipts' })
 *   },
 * })
 */
export function defineConfig(config: MillraceConfig): MillraceConfig {
  return config
}
