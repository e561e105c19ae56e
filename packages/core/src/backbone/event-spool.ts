import { decodeEvent, encodeEvent } from '../contract/cloud-events.ts'
import { defineEvent } from '../contract/define-event.ts'
import type { EventMessage } from '../contract/event.ts'
import type { StandardSchema } from '../contract/standard-schema.ts'
import type { Engine } from '../driver/driver.ts'
import type { Published, PublishResult } from '../bus/publishing.ts'
import { isMillraceError } from '../runtime/error.ts'
import { createMillrace } from './create-millrace.ts'
import type { Millrace, MillraceOptions } from './millrace.ts'

/** Keeps events on this machine while the engine is away, and forwards them in order when it is back. */
export interface Spool {
  publish(event: EventMessage): Promise<Published | { readonly outcome: 'spooled'; readonly id: string }>
  publishBatch(
    events: readonly EventMessage[],
  ): Promise<readonly (PublishResult | { readonly outcome: 'spooled'; readonly id: string })[]>
  /** Events that wait to be forwarded. */
  waiting(): Promise<number>
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}

interface SpooledEvent {
  readonly body: string
}

const bodySchema: StandardSchema<SpooledEvent, SpooledEvent> = {
  '~standard': { version: 1, vendor: 'millrace', validate: (value) => ({ value: value as SpooledEvent }) },
}
const EventSpooled = defineEvent('spool.event-kept', { schema: bodySchema, topic: 'spool' })
/** Everything goes through one partition: the order of the spool is the order of the publishes. */
const TOPICS = { spool: { partitions: 1 } }
const FOREVER = 1_000_000

export function createSpool({
  millrace,
  engine,
  options,
}: {
  readonly millrace: Millrace
  readonly engine: Engine
  readonly options: MillraceOptions
}): Spool {
  const { runtime, onError } = options
  const local = createMillrace({
    engine,
    name: millrace.name,
    topics: TOPICS,
    ...(runtime === undefined ? {} : { runtime }),
    ...(onError === undefined ? {} : { onError }),
  })
  let behind: boolean | undefined
  let starting: Promise<unknown> | undefined

  /** Starts the forwarding, also of what an earlier process left behind. */
  function start(): Promise<unknown> {
    starting ??= local.subscribe(EventSpooled, ({ data }) => forward(data.body), {
      group: 'forward',
      from: 'earliest',
      ordering: 'topic',
      timeout: 0,
      retry: { attempts: FOREVER, backoff: { first: 200, ceiling: 5_000 } },
    })
    return starting
  }

  async function forward(body: string): Promise<void> {
    await millrace.publish(decodeEvent(body))
  }

  async function waiting(): Promise<number> {
    await start()
    const [group] = await local.groups()
    return group?.lag ?? 0
  }

  /** While something waits, what comes now must wait behind it. */
  async function isBehind(): Promise<boolean> {
    if (behind === false) return false
    behind = (await waiting()) > 0
    return behind
  }

  async function keep(event: EventMessage): Promise<{ readonly outcome: 'spooled'; readonly id: string }> {
    await start()
    behind = true
    await local.publish(EventSpooled, { body: encodeEvent(event) })
    return { outcome: 'spooled', id: event.id }
  }

  return {
    async publish(event) {
      if (await isBehind()) return keep(event)
      try {
        return await millrace.publish(event)
      } catch (error) {
        if (isAway(error)) return keep(event)
        throw error
      }
    },
    async publishBatch(events) {
      const results: (PublishResult | { readonly outcome: 'spooled'; readonly id: string })[] = []
      if (!(await isBehind())) results.push(...(await millrace.publishBatch(events)))
      for (const [at, event] of events.entries()) {
        const result = results[at]
        if (
          result === undefined ||
          (result.outcome !== 'stored' && result.outcome !== 'spooled' && isAway(result.error))
        )
          results[at] = await keep(event)
      }
      return results
    },
    waiting,
    close: (closeOptions) => local.close(closeOptions),
  }
}

/** Whether an error says that the engine is away, and not that the event is wrong. */
function isAway(error: unknown): boolean {
  return (
    isMillraceError(error) &&
    (error.code === 'publish_unknown' ||
      error.code === 'publish_backpressure' ||
      error.code === 'engine_unreachable' ||
      error.code === 'engine_busy')
  )
}
