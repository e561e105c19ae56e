import type { Catalog } from '../contract/catalog.ts'
import type { Publishing } from '../bus/publishing.ts'
import type { TopicRegistry } from '../bus/topic-registry.ts'
import type { Waiting } from '../bus/waiting.ts'
import { encodeCursor } from '../driver/cursor.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Millrace } from './millrace.ts'

/** What asking is made of. */
export interface AskingOptions {
  readonly publishing: Publishing
  readonly waiting: Waiting
  readonly topics: TopicRegistry
  readonly catalog: Catalog
  readonly runtime: Runtime
  readonly start: () => Promise<void>
}

/** Requests with a reply, and waiting for an event of a flow. */
export function createAsking({
  publishing,
  waiting,
  topics,
  catalog,
  runtime,
  start,
}: AskingOptions): Pick<Millrace, 'request' | 'waitFor'> {
  return {
    async request(request, data, { reply, timeout, signal, ...createOptions }) {
      catalog.add(request)
      catalog.add(reply)
      await start()
      await topics.ensure(reply.topic)
      const event = publishing.create(request, data, createOptions)
      const failed = new AbortController()
      const answer = waiting.waitFor({
        topic: reply.topic,
        type: reply.type,
        correlationId: event.metadata.correlationId,
        after: encodeCursor({ time: runtime.now(), topics: {} }),
        signal: signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]),
        ...(timeout === undefined ? {} : { timeout }),
      })
      answer.catch(() => {})
      try {
        await publishing.publish(event, { signal, checked: true })
      } catch (error) {
        failed.abort()
        throw error
      }
      return (await answer) as never
    },
    async waitFor(definition, { correlationId, timeout, after, signal }) {
      catalog.add(definition)
      await start()
      await topics.ensure(definition.topic)
      const event = await waiting.waitFor({
        topic: definition.topic,
        type: definition.type,
        correlationId,
        ...(timeout === undefined ? {} : { timeout }),
        ...(after === undefined ? {} : { after }),
        ...(signal === undefined ? {} : { signal }),
      })
      return event as never
    },
  }
}
