import { isMillraceError } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import type { RedisLink, Subscriber } from '../client/link.ts'
import { redisError } from '../client/redis-error.ts'
import type { Recovery } from '../log/recovery.ts'
import type { Registry } from '../log/registry.ts'
import { readStates } from '../log/states.ts'
import { createTopicChanges, type TopicChanges } from './topic-changes.ts'

export interface AnnouncementsOptions {
  readonly redis: Connection
  readonly registry: Registry
  readonly recovery: Recovery
  readonly ended: AbortSignal
}

/**
 * Hears the announcements of the topics that somebody listens to. They are a hint: what was missed while the connection was
 * down is looked for when it is back, and every now and then the heads of the partitions are compared.
 */
export function hearAnnouncements(link: RedisLink & Subscriber, options: AnnouncementsOptions): TopicChanges {
  const { redis, registry, recovery, ended } = options
  const { keys, runtime, settings } = redis
  const heads = new Map<string, readonly number[]>()
  const changes: TopicChanges = createTopicChanges((topic) => {
    link
      .subscribe(keys.channel(topic), (partitions) => {
        for (const partition of partitions.split(',')) changes.announce(topic, Number(partition))
      })
      // What was appended before the subscription stood was announced to nobody.
      .then(() => changes.announce(topic, undefined))
      .catch((error: unknown) => {
        if (ended.aborted) return
        const { message } = redisError(error, redis.where)
        runtime.log.warn(`${message} New events of ${topic} are looked for every ${settings.pollEveryMs} ms.`)
      })
  })
  link.listen({ onReady: () => changes.announceAll(), onError: () => undefined })
  redis.onBack(() => changes.announceAll())
  let timer = runtime.setTimer(look, settings.pollEveryMs)
  ended.addEventListener('abort', () => timer.cancel(), { once: true })
  return changes

  function look(): void {
    compareHeads()
      .catch((error: unknown) => {
        if (!ended.aborted && !isMillraceError(error))
          runtime.log.warn(`Looking for new events failed: ${String(error)}`)
      })
      .finally(() => {
        if (!ended.aborted) timer = runtime.setTimer(look, settings.pollEveryMs)
      })
  }

  async function compareHeads(): Promise<void> {
    const topics = [...changes.topics].flatMap((topic) => registry.known(topic) ?? [])
    for (const [at, states] of (await readStates(redis, topics)).entries()) {
      const topic = topics[at]
      if (topic === undefined) continue
      const before = heads.get(topic.topic) ?? []
      for (const { partition, n } of states) if (n !== before[partition]) changes.announce(topic.topic, partition)
      heads.set(
        topic.topic,
        states.map(({ n }) => n),
      )
      if (states.some(({ incarnation }) => incarnation !== topic.incarnation)) await recovery.look(topic.topic)
    }
  }
}
