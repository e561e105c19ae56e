import type { Runtime } from '../runtime/runtime.ts'
import type { MemoryEngine } from './engine.ts'
import { topicOf } from './topics.ts'

/**
 * Resolves after the next append to the topic, after `timeoutMs` milliseconds or when the signal fires, whichever
 * is first. Throws `topic_unknown`.
 */
export function waitForAppend(
  engine: MemoryEngine,
  topic: string,
  {
    runtime,
    timeoutMs,
    signal,
  }: { readonly runtime: Runtime; readonly timeoutMs?: number; readonly signal: AbortSignal },
): Promise<void> {
  const { watchers } = topicOf(engine, topic)
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const finish = (): void => {
      timer?.cancel()
      watchers.delete(finish)
      signal.removeEventListener('abort', finish)
      resolve()
    }
    const timer = timeoutMs === undefined ? undefined : runtime.setTimer(finish, timeoutMs)
    watchers.add(finish)
    signal.addEventListener('abort', finish, { once: true })
  })
}
