import type { Runtime } from '../runtime/runtime.ts'
import { openedInTime } from './opened-in-time.ts'
import { backpressure } from './publisher.ts'
import type { KnownTopic } from './topic-registry.ts'

/** Somebody who waits for a topic. */
export interface AwaitsTopic {
  go(topic: KnownTopic): void
  fail(error: unknown): void
}

/** Events wait, in order, for a topic that is being made; when it cannot be made, all of them hear why. */
export interface TopicOpening {
  isOpening(topic: string): boolean
  /** Makes the topic unless it is being made. Fails whoever comes when too many wait with `publish_backpressure`. */
  whenOpen(topic: string, waiting: AwaitsTopic): void
}

export interface TopicOpeningOptions {
  readonly runtime: Runtime
  /** Opens the engine. */
  readonly ready: () => Promise<void>
  readonly ensure: (topic: string) => Promise<KnownTopic>
  readonly maxPending: number
  readonly timeoutMs: number
}

export function createTopicOpening({
  runtime,
  ready,
  ensure,
  maxPending,
  timeoutMs,
}: TopicOpeningOptions): TopicOpening {
  const opening = new Map<string, AwaitsTopic[]>()

  async function open(topic: string, first: AwaitsTopic): Promise<void> {
    const queue = [first]
    opening.set(topic, queue)
    try {
      const made = await openedInTime(
        runtime,
        timeoutMs,
        ready().then(() => ensure(topic)),
      )
      opening.delete(topic)
      for (const { go } of queue) go(made)
    } catch (error) {
      opening.delete(topic)
      for (const { fail } of queue) fail(error)
    }
  }

  return {
    isOpening: (topic) => opening.has(topic),
    whenOpen(topic, waiting) {
      const queue = opening.get(topic)
      if (queue === undefined) void open(topic, waiting)
      else if (queue.length < maxPending) queue.push(waiting)
      else waiting.fail(backpressure(queue.length))
    },
  }
}
