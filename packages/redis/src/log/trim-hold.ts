import type { Connection } from '../client/connection.ts'
import { HOLD_TRIM } from '../scripts/retention.ts'
import type { Topic } from './registry.ts'

/**
 * Runs a step that moves groups while nothing is trimmed: a sweep that began before and has read where the groups were
 * is refused, one that begins meanwhile waits. A hold that its process has left behind ends by itself.
 */
export async function withTrimHeld<Result>(
  redis: Connection,
  topics: readonly Topic[],
  step: () => Promise<Result>,
): Promise<Result> {
  const metas = topics.flatMap(({ topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => redis.keys.partition(topic, partition).meta),
  )
  const holdMs = String(4 * redis.settings.callTimeoutMs)
  await Promise.all(metas.map((meta) => redis.run(HOLD_TRIM, [meta], [holdMs])))
  try {
    return await step()
  } finally {
    await Promise.all(metas.map((meta) => redis.run(HOLD_TRIM, [meta], ['0']).catch(() => undefined)))
  }
}
