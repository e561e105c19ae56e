import type { Runtime, Transport } from '@millrace/core/driver'
import type { Lifecycle } from './connection.ts'
import { createConsumer } from './consumer.ts'
import { publishRecords } from './publishing.ts'
import { readRecords } from './reading.ts'

/** The transport over one file. */
export function createTransport(life: Lifecycle, runtime: Runtime): Transport {
  return {
    get capabilities() {
      return life.current().capabilities
    },
    connect: life.connect,
    close: life.close,
    ensureTopic: async (topic, options = {}) => life.current().writer.call('ensureTopic', { topic, options }),
    ensureGroup: async (group, topics, from) => life.current().writer.call('ensureGroup', { group, topics, from }),
    list: async () => life.current().reader.call('list', undefined),
    publish: async (records, options) => publishRecords(life.current(), records, options?.signal),
    consume: (options) => createConsumer(life.current(), runtime, options),
    read: async (query) => readRecords(life.current(), runtime, query),
    lag: async (topic, group) => life.current().reader.call('lag', { topic, group }),
    seek: async (group, topic, to) => life.current().writer.call('seek', { group, topic, to }),
    async remove(what) {
      const { writer } = life.current()
      if ('topic' in what) await writer.call('removeTopic', what)
      else await writer.call('removeGroup', what)
    },
  }
}
