import type { Transport } from '@millrace/core/driver'
import { ensureGroup, removeGroup, seek } from '../store/groups.ts'
import { lag } from '../store/lag.ts'
import { ensureTopic, list, removeTopic } from '../store/topics.ts'
import type { Lifecycle } from './connection.ts'
import { createConsumer } from './consumer.ts'
import { publishRecords } from './publishing.ts'
import { readRecords } from './reading.ts'
import { stayAlive } from './stay-alive.ts'

/** The transport over one schema. */
export function createTransport(life: Lifecycle): Transport {
  const { current } = life
  let isClosed = false
  let release: (() => void) | undefined

  /** From now on until `close`, as the sockets do while the server is there: whoever waits for its return must not end in silence. */
  function keepProcess(): void {
    if (isClosed || release !== undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    release = resolve
    void stayAlive(promise)
  }

  return {
    get capabilities() {
      return current().capabilities
    },
    async connect() {
      await stayAlive(life.connect())
      keepProcess()
    },
    async close() {
      isClosed = true
      await life.close().finally(() => release?.())
    },
    async ensureTopic(topic, options = {}) {
      const { database, upkeep } = current()
      const info = await ensureTopic(database, topic, options)
      if (options.retention !== undefined) upkeep.wanted()
      return info
    },
    ensureGroup: async (group, topics, from) => ensureGroup(current().database, group, topics, from),
    list: async () => list(current().database),
    publish: async (records, options) => publishRecords(current(), records, options?.signal),
    consume: (options) => createConsumer(current(), options),
    read: async (query) => readRecords(current(), query),
    lag: async (topic, group) => lag(current().database, topic, group),
    seek: async (group, topic, to) => seek(current().database, group, topic, to),
    async remove(what) {
      const { database, upkeep } = current()
      if ('topic' in what) await removeTopic(database, what.topic)
      else await removeGroup(database, what.group)
      upkeep.wanted()
    },
  }
}
