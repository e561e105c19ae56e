import type { Transport } from '@millrace/core/driver'
import { ensureGroup, groupLag, seekGroup } from '../groups/starts.ts'
import { createConsumer } from '../log/consumer.ts'
import { readRecords } from '../log/reading.ts'
import { ensureTopic, list, remove } from '../log/topics.ts'
import type { Lifecycle } from './lifecycle.ts'

/** The transport over one Redis. */
export function createTransport(life: Lifecycle): Transport {
  return {
    get capabilities() {
      return life.current().capabilities
    },
    connect: life.connect,
    close: life.close,
    async ensureTopic(topic, options = {}) {
      const { redis, registry } = life.current()
      return ensureTopic(redis, registry, { topic, options })
    },
    async ensureGroup(group, topics, from) {
      const { redis, registry } = life.current()
      await ensureGroup(redis, registry, { group, topics, from })
    },
    async list() {
      const { redis, registry } = life.current()
      return list(redis, registry)
    },
    publish: async (records, options) => life.current().log.publish(records, options?.signal),
    consume(options) {
      const session = life.current()
      return createConsumer(session.redis, session, options)
    },
    async read(query) {
      const session = life.current()
      return readRecords(session.redis, session, query)
    },
    async lag(topic, group) {
      const { redis, registry } = life.current()
      return groupLag(redis, registry, { topic, group })
    },
    async seek(group, topic, to) {
      const { redis, registry } = life.current()
      await seekGroup(redis, registry, { group, topic, to })
    },
    async remove(what) {
      const { redis, registry } = life.current()
      await remove(redis, registry, what)
    },
  }
}
