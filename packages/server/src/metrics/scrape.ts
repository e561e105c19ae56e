import { isMillraceError, type GroupStatus, type QueueView, type TopicStatus } from '@millrace/core'
import type { Services } from '../services.ts'
import type { Metrics } from './metrics.ts'

const FRESH_MS = 3_000
/** More would make a scrape slow and its answer useless. */
const MOST_SERIES = 500

/** The metrics as Prometheus text; what must be asked of the engine is at most a few seconds old. */
export function createScrape(services: Pick<Services, 'settings' | 'metrics' | 'streams'>): () => Promise<string> {
  const { settings, metrics, streams } = services
  const { millrace, runtime } = settings
  let askedAt = Number.NEGATIVE_INFINITY
  let asking: Promise<void> | undefined

  async function ask(): Promise<void> {
    try {
      const [topics, groups, queues] = await Promise.all([millrace.topics(), millrace.groups(), queuesOf(millrace)])
      setTopics(metrics, topics)
      setGroups(metrics, groups)
      setQueues(metrics, queues)
      metrics.engineUp.set(1)
    } catch {
      metrics.engineUp.set(0)
    }
    askedAt = runtime.monotonic()
  }

  return async () => {
    if (runtime.monotonic() - askedAt >= FRESH_MS) {
      asking ??= ask().finally(() => {
        asking = undefined
      })
      await asking
    }
    metrics.realtimeConnections.set(streams.count)
    return metrics.registry.metrics()
  }
}

/** An engine that keeps no tasks has no queues. */
async function queuesOf({ queues }: Services['settings']['millrace']): Promise<readonly QueueView[]> {
  try {
    return await queues.list()
  } catch (error) {
    if (isMillraceError(error, 'capability_missing')) return []
    throw error
  }
}

function setQueues(
  { tasks, queueDepth, queueWaiting, queueBound, queueOldestSeconds }: Metrics,
  queues: readonly QueueView[],
): void {
  for (const gauge of [tasks, queueDepth, queueWaiting, queueBound, queueOldestSeconds]) gauge.reset()
  for (const { name: queue, counts, waiting, settings, oldestReadyMs = 0 } of queues.slice(0, MOST_SERIES)) {
    for (const [state, count] of Object.entries(counts)) tasks.set({ queue, state }, count)
    queueDepth.set({ queue }, counts.ready + counts.suspect)
    queueWaiting.set({ queue }, waiting)
    if (settings.maxWaiting !== undefined) queueBound.set({ queue }, settings.maxWaiting)
    queueOldestSeconds.set({ queue }, oldestReadyMs / 1_000)
  }
}

function setTopics({ topicLength }: Metrics, topics: readonly TopicStatus[]): void {
  topicLength.reset()
  for (const { topic, held } of topics.slice(0, MOST_SERIES)) topicLength.set({ topic }, held)
}

function setGroups(metrics: Metrics, groups: readonly GroupStatus[]): void {
  for (const gauge of [
    metrics.groupLag,
    metrics.groupOldestSeconds,
    metrics.groupMembers,
    metrics.laneEvents,
    metrics.deadLetters,
  ]) {
    gauge.reset()
  }
  for (const status of groups.slice(0, MOST_SERIES)) {
    const { group } = status
    metrics.groupLag.set({ group }, status.lag)
    metrics.groupOldestSeconds.set({ group }, (status.oldestMs ?? 0) / 1_000)
    metrics.groupMembers.set({ group }, status.members.length)
    metrics.laneEvents.set({ group }, status.lane.waiting)
    metrics.deadLetters.set({ group }, status.deadLetters)
  }
}
