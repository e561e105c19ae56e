import type { Catalog } from '../contract/catalog.ts'
import type { AnyEventDefinition } from '../contract/event-definition.ts'
import type { EventMessage } from '../contract/event.ts'
import type { Publishing } from '../bus/publishing.ts'
import type { BatchOptions, InTransaction, Millrace } from './millrace.ts'

/** Creating and publishing, by definition or by message, alone or in the caller's transaction. */
export function createPublishCalls(
  publishing: Publishing,
  catalog: Catalog,
  { hasDefaultLimits }: { readonly hasDefaultLimits: boolean },
): Pick<Millrace, 'create' | 'publish' | 'publishBatch'> {
  function publish(first: AnyEventDefinition | EventMessage, second?: unknown, third?: object): Promise<never> {
    try {
      if (!isDefinition(first)) return publishOne(first, (second ?? {}) as Partial<InTransaction>, false)
      catalog.add(first)
      if (third === undefined) return publishing.publishNew(first, second) as Promise<never>
      const { tx, ...options } = third as Partial<InTransaction>
      if (tx === undefined) return publishing.publishNew(first, second, options) as Promise<never>
      return publishOne(publishing.create(first, second, options), { tx }, true)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Nothing is awaited before the transaction is written to: with a synchronous handle the caller may commit at once. */
  function publishOne(
    event: EventMessage,
    { tx }: { readonly tx?: object | undefined },
    checked: boolean,
  ): Promise<never> {
    if (tx === undefined) return publishing.publish(event, { checked }) as Promise<never>
    return publishing.enlist([event], tx, checked).then(([enlisted]) => enlisted as never)
  }

  return {
    create(definition, data, options) {
      catalog.add(definition)
      return publishing.create(definition, data, options) as never
    },
    publish,
    publishBatch(events: readonly EventMessage[], options: BatchOptions | InTransaction = {}) {
      if ('tx' in options) return publishing.enlist(events, options.tx) as Promise<never>
      const { signal, checked = false } = options
      return publishing.publishBatch(events, { signal, checked: checked && hasDefaultLimits }) as Promise<never>
    },
  }
}

function isDefinition(value: AnyEventDefinition | EventMessage): value is AnyEventDefinition {
  return typeof value === 'object' && value !== null && 'create' in value && typeof value.create === 'function'
}
