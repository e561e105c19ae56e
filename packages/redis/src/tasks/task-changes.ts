import type { TaskHints, Timer } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import type { RedisLink, Subscriber } from '../client/link.ts'
import { redisError } from '../client/redis-error.ts'
import { decodeName } from './task-text.ts'

/** How long it may take until others hear that tasks have ended. */
const ENDED_EVERY_MS = 10

/** Tells those who listen in which queues something has changed. */
export interface TaskChanges {
  /** This process claims from a queue: when announcements may have been missed, something may have changed in it. */
  know(queue: string): void
  listen(listener: (queues: readonly string[]) => void): TaskHints
}

/** Hears the announcements of the scripts, from the first listener on. */
export function hearTaskChanges(link: RedisLink & Subscriber, redis: Connection, stopping: AbortSignal): TaskChanges {
  const listeners = new Set<(queues: readonly string[]) => void>()
  const known = new Set<string>()
  const ended = new Set<string>()
  let telling: Timer | undefined
  let subscribed: 'no' | 'asked' | 'yes' = 'no'

  function tell(queues: readonly string[]): void {
    for (const listener of listeners) listener(queues)
  }

  /** That tasks have ended calls nobody to work: told now and then, whatever the pace of the others. */
  function hear(message: string): void {
    const calling: string[] = []
    for (const line of message.split('\n')) {
      const queue = decodeName(line.slice(1))
      if (line.startsWith('+')) calling.push(queue)
      else ended.add(queue)
    }
    if (calling.length > 0) tell(calling)
    if (ended.size > 0) telling ??= redis.runtime.setTimer(tellEnded, ENDED_EVERY_MS)
  }

  function tellEnded(): void {
    telling = undefined
    const queues = [...ended]
    ended.clear()
    if (!stopping.aborted) tell(queues)
  }

  function subscribe(): void {
    subscribed = 'asked'
    link
      .subscribe(redis.keys.tasks.channel, hear)
      .then(() => {
        subscribed = 'yes'
        // What changed before the subscription stood was announced to nobody.
        if (known.size > 0) tell([...known])
      })
      .catch((error: unknown) => {
        subscribed = 'no'
        if (!stopping.aborted)
          redis.runtime.log.warn(`${redisError(error, redis.where).message} New tasks are looked for instead.`)
      })
  }

  link.listen({
    onReady() {
      // A subscription that stood is made again by the client; one that could not be made is asked for anew.
      if (subscribed === 'no' && listeners.size > 0) subscribe()
      if (known.size > 0) tell([...known])
    },
    onError: () => undefined,
  })
  return {
    know: (queue) => void known.add(queue),
    listen(listener) {
      listeners.add(listener)
      if (subscribed === 'no') subscribe()
      return {
        get arriving() {
          return subscribed === 'yes' && link.ready && listeners.has(listener)
        },
        stop: () => void listeners.delete(listener),
      }
    },
  }
}
