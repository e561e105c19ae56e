import type { Catalog } from '../contract/catalog.ts'
import type { Publishing } from '../bus/publishing.ts'
import type { TopicRegistry } from '../bus/topic-registry.ts'
import type { Waiting } from '../bus/waiting.ts'
import { encodeCursor } from '../driver/cursor.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { checkDefinition, checkNames } from './check-names.ts'
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

const WAIT_OPTIONS: ReadonlySet<string> = new Set(['correlationId', 'timeout', 'after', 'signal'])

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
    async request(request, data, options) {
      checkDefinition('request', 'request', request)
      checkDefinition('request', 'reply', options?.reply)
      const { reply, timeout, signal, ...createOptions } = options
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
    async waitFor(definition, options) {
      checkDefinition('waitFor', 'definition', definition)
      checkNames('waitFor', options, WAIT_OPTIONS)
      const { correlationId, timeout, after, signal } = options
      if (typeof correlationId !== 'string') throw noFlow()
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

function noFlow(): MillraceError {
  return new MillraceError(
    'request_invalid',
    'waitFor needs the "correlationId" of the flow to wait in: that of an event, or its id where it began one.',
    { path: 'correlationId' },
  )
}
