import type { Connection } from '../client/connection.ts'
import { START_GROUP } from '../scripts/groups.ts'
import { encodeProgress } from '../groups/progress.ts'
import { placeName } from '../keys.ts'
import { groupField, type Registry } from './registry.ts'

/** Notices that the database was flushed, says so, and makes topics and groups again. */
export interface Recovery {
  /** Reads the mark of the database, or sets one. */
  begin(): Promise<void>
  /** A topic is missing: looks whether the mark is, too. */
  look(topic: string): Promise<void>
}

export function createRecovery(redis: Connection, registry: Registry): Recovery {
  let mark = ''
  let looking: Promise<void> | undefined

  async function current(): Promise<string> {
    const { identity } = redis.keys
    await redis.call(['SET', identity, redis.runtime.id(), 'NX'], identity)
    return String(await redis.call(['GET', identity], identity))
  }

  async function lookNow(): Promise<void> {
    const now = await current()
    if (now === mark) return
    mark = now
    redis.runtime.log.error(
      `The data of Millrace on ${redis.where} are gone: the database was flushed, or came back without its data. Events that ` +
        'were stored before are lost. Topics and groups are made again, and publishing goes on.',
    )
    for (const topic of registry.wanted.topics.keys()) registry.forget(topic)
    for (const [topic, options] of [...registry.wanted.topics]) await registry.ensure(topic, options)
    for (const [group, topics] of registry.wanted.groups) await restart(group, [...topics])
  }

  /** Whatever is there now came after the loss: the group reads it from its beginning. */
  async function restart(group: string, topics: readonly string[]): Promise<void> {
    const { leases, progress } = redis.keys.group(group)
    const nothing = encodeProgress({
      settled: undefined,
      ahead: [],
      fetchedHigh: undefined,
      aheadCount: 0,
      attempts: [],
    })
    for (const name of topics) {
      const topic = await registry.topic(name).catch(() => undefined)
      if (topic === undefined) continue
      await redis.call(['HSET', redis.keys.groups, groupField(group, name), '1'], redis.keys.groups)
      const args = Array.from({ length: topic.partitions }, (_, at) => [placeName(name, at), nothing]).flat()
      await redis.run(START_GROUP, [leases, progress], args)
    }
  }

  return {
    async begin() {
      mark = await current()
    },
    look: () => (looking ??= lookNow().finally(() => (looking = undefined))),
  }
}
