import { AsyncLocalStorage } from 'node:async_hooks'
import type { EventMessage } from '../contract/event.ts'

/** The event whose handling the running code belongs to, so that what it publishes continues the flow. */
export const handlingContext: AsyncLocalStorage<EventMessage> = new AsyncLocalStorage<EventMessage>()
