import type { StoredRecord } from '@millrace/core/driver'
import { withConsumer, withFetched, withTransport, type Mutation } from './mutation.ts'

/** Defects of storing, reading and fetching. */
export const LOG_MUTATIONS: readonly Mutation[] = [
  {
    defect: 'one event in 10,000 is confirmed and not stored',
    caughtBy: '02 no loss with many publishers',
    plant(driver) {
      let count = 0
      return withTransport(driver, {
        async publish(records, options) {
          const lost = records.findIndex(() => ++count % 10_000 === 0)
          if (lost === -1) return driver.transport.publish(records, options)
          const kept = records.filter((_, at) => at !== lost)
          const outcomes = await driver.transport.publish(kept, options)
          const fake = {
            outcome: 'stored',
            partition: records[lost]?.partition ?? 0,
            position: '0000000000009999',
          } as const
          return outcomes.toSpliced(lost, 0, fake)
        },
      })
    },
  },
  {
    defect: 'two events of a batch change places',
    caughtBy: '20 the second of two publishes comes after the first',
    plant: (driver) =>
      withTransport(driver, {
        async publish(records, options) {
          const [first, second, third, ...rest] = records
          if (!first || !second || !third) return driver.transport.publish(records, options)
          const outcomes = await driver.transport.publish([third, second, first, ...rest], options)
          const [one, two, three, ...others] = outcomes
          return one && two && three ? [three, two, one, ...others] : outcomes
        },
      }),
  },
  {
    defect: 'a fetch gives two events of a partition in the wrong order',
    caughtBy: '20 a partition is fetched in the order of its positions',
    plant: (driver) => withFetched(driver, (records) => (records.length > 5 ? records.toReversed() : records)),
  },
  {
    defect: 'an event is given twice',
    caughtBy: '15 the engine redelivers nothing by itself',
    plant(driver) {
      let fetches = 0
      return withFetched(driver, (records) => (++fetches % 5 === 0 ? [...records, ...records.slice(-1)] : records))
    },
  },
  {
    defect: 'the first event after a restart is skipped',
    caughtBy: '31 a random workload with crashes agrees with the model',
    plant(driver, { opened }) {
      let skipped = opened === 1
      return withFetched(driver, (records) => {
        if (skipped) return records
        skipped = true
        return records.slice(1)
      })
    },
  },
  {
    defect: 'a topic gives events of another whose name begins alike',
    caughtBy: '03 topics with similar names stay apart',
    plant: (driver) =>
      withTransport(driver, {
        async read(query) {
          const { topics } = await driver.transport.list()
          const alike = topics.filter(({ topic }) => topic.startsWith(query.topic))
          const found: StoredRecord[] = []
          for (const { topic } of alike) found.push(...(await driver.transport.read({ ...query, topic })))
          return found.slice(0, query.limit)
        },
      }),
  },
  {
    defect: 'bodies are parsed and written anew',
    caughtBy: '01 what is published is read back byte for byte',
    plant: (driver) =>
      withFetched(driver, (records) =>
        records.map((record) => ({ ...record, body: JSON.stringify(JSON.parse(record.body)) })),
      ),
  },
  {
    defect: 'a rejected record is reported as stored',
    caughtBy: '07 outcomes tell the truth',
    plant: (driver) =>
      withTransport(driver, {
        async publish(records, options) {
          const outcomes = await driver.transport.publish(records, options)
          return outcomes.map((outcome) =>
            outcome.outcome === 'rejected'
              ? { outcome: 'stored', partition: 0, position: '0000000000000001' }
              : outcome,
          )
        },
      }),
  },
  {
    defect: 'one bad record stops those after it',
    caughtBy: '08 a record that fails keeps back no other',
    plant: (driver) =>
      withTransport(driver, {
        async publish(records, options) {
          const known = new Set((await driver.transport.list()).topics.map(({ topic }) => topic))
          const bad = records.findIndex(({ topic }) => !known.has(topic))
          if (bad === -1) return driver.transport.publish(records, options)
          const outcomes = await driver.transport.publish(records.slice(0, bad + 1), options)
          const failed = outcomes.at(-1)
          return failed === undefined ? outcomes : records.map((_, at) => outcomes[at] ?? failed)
        },
      }),
  },
  {
    defect: 'duplicates are stored twice',
    caughtBy: '40 the same source and id is stored once',
    plant(driver) {
      let copies = 0
      return withTransport(driver, {
        async publish(records, options) {
          const outcomes = await driver.transport.publish(records, options)
          const again = records.filter((_, at) => outcomes[at]?.outcome === 'duplicate')
          if (again.length === 0) return outcomes
          const stored = await driver.transport.publish(
            again.map((record) => ({ ...record, source: `${record.source}#${++copies}` })),
          )
          return outcomes.map((outcome) => (outcome.outcome === 'duplicate' ? (stored[0] ?? outcome) : outcome))
        },
      })
    },
  },
  {
    defect: 'recorded times follow the clock when it goes back',
    caughtBy: '48 recorded times never go back',
    plant(driver, { runtime }) {
      const times = new Map<string, number>()
      return withTransport(driver, {
        publish(records, options) {
          for (const { id } of records) times.set(id, runtime.now())
          return driver.transport.publish(records, options)
        },
        async read(query) {
          const found = await driver.transport.read(query)
          return found.map((record) => ({ ...record, recordedAt: times.get(record.id) ?? record.recordedAt }))
        },
      })
    },
  },
  {
    defect: 'a fetch gives more than was asked for',
    caughtBy: '26 a fetch gives at most what was asked for',
    plant: (driver) =>
      withConsumer(driver, (consumer) => ({
        fetch: (options) => consumer.fetch({ ...options, max: options.max + 1 }),
      })),
  },
  {
    defect: 'paused partitions are fetched',
    caughtBy: '26 a fetch leaves paused partitions alone',
    plant: (driver) =>
      withConsumer(driver, (consumer) => ({
        fetch: ({ paused: _paused, ...options }) => consumer.fetch(options),
      })),
  },
  {
    defect: 'pages leave out an event',
    caughtBy: '37 pages cover everything once, both ways',
    plant: (driver) =>
      withTransport(driver, {
        async read(query) {
          const found = await driver.transport.read(query)
          return query.limit === 7 && found.length === 7 ? found.toSpliced(2, 1) : found
        },
      }),
  },
  {
    defect: 'unread events are dropped',
    caughtBy: '06 what a group has not read is kept',
    plant: (driver) =>
      withTransport(driver, {
        ensureTopic: (topic, options) =>
          driver.transport.ensureTopic(topic, {
            ...options,
            ...(options?.retention && { retention: { ...options.retention, whenUnread: 'expire' } }),
          }),
      }),
  },
]
