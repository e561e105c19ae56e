import { AsyncLocalStorage } from 'node:async_hooks'
import type { EventMetadata } from '../contract/event.ts'

/** The event or task whose handling the running code belongs to: what causes what it publishes. */
export interface HandledWork {
  readonly id: string
  readonly metadata: Partial<EventMetadata> & Pick<EventMetadata, 'correlationId'>
}

/** So that what a handler publishes or enqueues continues the flow. */
export const handlingContext: AsyncLocalStorage<HandledWork> = new AsyncLocalStorage<HandledWork>()
