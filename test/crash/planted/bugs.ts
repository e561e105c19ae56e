import type { Engine, PartitionProgress, PublishOutcome, StoredRecord } from '@millrace/core/driver'
import type { Violation } from '@millrace/core/testing'
import { aroundDriver, withStores, withTransport } from './around-driver.ts'

/** A defect that somebody could have written, and the property by which the checker must name it. */
export interface PlantedBug {
  readonly name: string
  readonly caughtAs: Violation['property']
  readonly plant: (engine: Engine) => Engine
}

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'settles what is fetched before it is handled',
    caughtAs: 'lost',
    plant: (engine) =>
      changeProgress(engine, (progress) => ({
        ...progress,
        settled: progress.fetchedHigh ?? progress.settled,
        ahead: [],
      })),
  },
  {
    name: 'settles one event beyond what was handled',
    caughtAs: 'lost',
    plant: (engine) => changeProgress(engine, (progress) => ({ ...progress, settled: next(progress.settled) })),
  },
  {
    name: 'forgets what is settled ahead',
    caughtAs: 'not-drained',
    plant: (engine) =>
      changeProgress(engine, (progress) => ({ ...progress, settled: undefined, ahead: [], aheadCount: 0 })),
  },
  {
    name: 'drops what the last owner had in hand at a take-over',
    caughtAs: 'lost',
    plant: (engine) =>
      aroundDriver(engine, (driver) =>
        withStores(driver, {
          leases: {
            ...driver.stores.leases,
            async claim(claim) {
              const won = await driver.stores.leases.claim(claim)
              if (won === undefined) return undefined
              return {
                ...won,
                progress: { ...won.progress, settled: won.progress.fetchedHigh ?? won.progress.settled },
              }
            },
          },
        }),
      ),
  },
  {
    name: 'ignores the token of a settle',
    caughtAs: 'zombie-write',
    plant: (engine) =>
      aroundDriver(engine, (driver) =>
        withTransport(driver, {
          consume(options) {
            const consumer = driver.transport.consume(options)
            return {
              ...consumer,
              async settle(progress) {
                const { partitions } = await driver.stores.leases.observe(options.group)
                const current = progress.map((one) => ({
                  ...one,
                  token:
                    partitions.find(({ topic, partition }) => topic === options.topic && partition === one.partition)
                      ?.token ?? one.token,
                }))
                return consumer.settle(current)
              },
            }
          },
        }),
      ),
  },
  {
    name: 'skips the first event of a fetch',
    caughtAs: 'lost',
    plant: (engine) => changeFetched(engine, (records) => records.slice(records.length > 1 ? 1 : 0)),
  },
  {
    name: 'swaps two events of a key',
    caughtAs: 'reordered',
    plant: (engine) => changeFetched(engine, swapTwoOfAKey),
  },
  {
    name: 'swallows a dead letter',
    caughtAs: 'lost',
    plant: (engine) =>
      aroundDriver(engine, (driver) =>
        withStores(driver, { deadLetters: { ...driver.stores.deadLetters, put: async () => 'stored' } }),
      ),
  },
  {
    name: 'cuts the bytes of a dead letter',
    caughtAs: 'dead-letter',
    plant: (engine) =>
      aroundDriver(engine, (driver) =>
        withStores(driver, {
          deadLetters: {
            ...driver.stores.deadLetters,
            put: (letters, token, options) =>
              driver.stores.deadLetters.put(
                letters.map((letter) => ({
                  ...letter,
                  record: { ...letter.record, body: letter.record.body.slice(0, -2) },
                })),
                token,
                options,
              ),
          },
        }),
      ),
  },
  {
    name: 'loses an entry of the side lane',
    caughtAs: 'lost',
    plant: (engine) =>
      aroundDriver(engine, (driver) =>
        withStores(driver, {
          lane: {
            ...driver.stores.lane,
            add: (entries, options) => driver.stores.lane.add(entries.slice(0, -1), options),
          },
        }),
      ),
  },
  {
    name: 'hands lane entries out that were settled',
    caughtAs: 'duplicate',
    plant: (engine) =>
      aroundDriver(engine, (driver) => {
        const { lane } = driver.stores
        let skipped = 0
        return withStores(driver, {
          lane: {
            ...lane,
            settle: (changes) =>
              changes.done.length > 0 && ++skipped % 5 === 0
                ? lane.settle({ ...changes, done: [] })
                : lane.settle(changes),
          },
        })
      }),
  },
  {
    name: 'reports stored before the commit',
    caughtAs: 'lost',
    plant: (engine) =>
      aroundDriver(engine, (driver) =>
        withTransport(driver, {
          async publish(records, options) {
            driver.transport.publish(records, options).catch(() => {})
            return guessed(records)
          },
        }),
      ),
  },
  {
    name: 'calls an unknown outcome rejected',
    caughtAs: 'rejected-seen',
    plant: (engine) =>
      aroundDriver(engine, (driver) =>
        withTransport(driver, {
          async publish(records, options) {
            const outcomes = await driver.transport.publish(records, options)
            return outcomes.map((outcome): PublishOutcome =>
              outcome.outcome === 'unknown' ? { outcome: 'rejected', error: outcome.error } : outcome,
            )
          },
        }),
      ),
  },
  {
    name: 'stores a resend twice',
    caughtAs: 'stored-twice',
    plant: (engine) =>
      aroundDriver(engine, (driver) =>
        withTransport(driver, {
          publish: (records, options) =>
            driver.transport.publish(
              records.map((record, at) => ({ ...record, source: `${record.source}/${at}${(resends += 1)}` })),
              options,
            ),
        }),
      ),
  },
  {
    name: 'gives a partition back as clean and forgets its progress',
    caughtAs: 'duplicate',
    plant: (engine) => {
      let count = 0
      return changeProgress(engine, (progress) =>
        ++count % 3 === 0 ? { ...progress, settled: undefined, ahead: [] } : progress,
      )
    },
  },
]

let resends = 0

function changeProgress(engine: Engine, change: (progress: PartitionProgress) => PartitionProgress): Engine {
  return aroundDriver(engine, (driver) =>
    withTransport(driver, {
      consume(options) {
        const consumer = driver.transport.consume(options)
        return { ...consumer, settle: (progress) => consumer.settle(progress.map(change)) }
      },
    }),
  )
}

function changeFetched(engine: Engine, change: (records: readonly StoredRecord[]) => readonly StoredRecord[]): Engine {
  return aroundDriver(engine, (driver) =>
    withTransport(driver, {
      consume(options) {
        const consumer = driver.transport.consume(options)
        return { ...consumer, fetch: async (fetching) => change(await consumer.fetch(fetching)) }
      },
    }),
  )
}

/** Two of a key change places, with their positions, so that the reader sees rising ones. */
function swapTwoOfAKey(records: readonly StoredRecord[]): readonly StoredRecord[] {
  for (const [at, record] of records.entries()) {
    const later = records.findIndex(
      (other, index) =>
        index > at && record.key !== undefined && other.key === record.key && other.partition === record.partition,
    )
    const other = records[later]
    if (other === undefined) continue
    const swapped = [...records]
    swapped[at] = { ...other, position: record.position }
    swapped[later] = { ...record, position: other.position }
    return swapped
  }
  return records
}

function guessed(records: readonly { readonly partition: number }[]): readonly PublishOutcome[] {
  return records.map(({ partition }) => ({ outcome: 'stored', partition, position: '0000000000000001' }))
}

/** The next number in the last digits of a position. */
function next(position: string | undefined): string | undefined {
  return position?.replace(/\d{1,14}$/, (digits) => String(Number(digits) + 1).padStart(digits.length, '0'))
}
