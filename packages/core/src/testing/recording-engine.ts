import type { Engine, Stores } from '../driver/driver.ts'
import type { LaneStore } from '../driver/lane-store.ts'
import type { LeaseStore } from '../driver/lease-store.ts'
import type { Transport } from '../driver/transport.ts'
import type { LeasedPlace, StoreEntry } from './history.ts'

/** Where a recorder writes, and the clock that all processes share. */
export interface HistoryWriter {
  record(entry: StoreEntry): void
  now(): number
}

/** The same engine, which writes claims, hand-overs and fenced writes into a history. */
export function recordingEngine(engine: Engine, writer: HistoryWriter): Engine {
  return {
    name: engine.name,
    open(runtime) {
      const driver = engine.open(runtime)
      return {
        transport: recordTransport(driver.transport, writer),
        stores: recordStores(driver.stores, writer),
        diagnose: driver.diagnose,
      }
    },
  }
}

function recordTransport(transport: Transport, writer: HistoryWriter): Transport {
  return Object.create(transport, {
    consume: {
      value: (options: Parameters<Transport['consume']>[0]) => {
        const consumer = transport.consume(options)
        const { group, topic } = options
        return {
          ...consumer,
          async settle(progress: Parameters<typeof consumer.settle>[0]) {
            const invokedAt = writer.now()
            const answer = await consumer.settle(progress)
            for (const { partition, token } of progress) {
              const accepted = !answer.fenced.includes(partition)
              const place = { group, topic, partition, token }
              writer.record({ kind: 'write', operation: 'settle', ...place, invokedAt, accepted })
            }
            return answer
          },
        }
      },
    },
  }) as Transport
}

function recordStores(stores: Stores, writer: HistoryWriter): Stores {
  const write = async <Answer>(
    operation: 'lane-add' | 'lane-settle' | 'dead-letter',
    place: LeasedPlace | undefined,
    call: () => Promise<Answer>,
  ): Promise<Answer> => {
    const invokedAt = writer.now()
    const answer = await call()
    if (place !== undefined) {
      writer.record({ kind: 'write', operation, ...place, invokedAt, accepted: answer !== 'fenced' })
    }
    return answer
  }
  return {
    ...stores,
    leases: recordLeases(stores.leases, writer),
    lane: recordLane(stores.lane, write),
    deadLetters: {
      ...stores.deadLetters,
      put(letters, token, options) {
        const first = letters[0]
        const place = first === undefined ? undefined : placeOf(first, token)
        return write('dead-letter', place, () => stores.deadLetters.put(letters, token, options))
      },
    },
  }
}

function recordLane(
  lane: LaneStore,
  write: <Answer>(
    operation: 'lane-add' | 'lane-settle',
    place: LeasedPlace | undefined,
    call: () => Promise<Answer>,
  ) => Promise<Answer>,
): LaneStore {
  return {
    ...lane,
    add(entries, options) {
      const first = entries[0]
      const { token } = options
      const place =
        first === undefined || token === undefined ? undefined : placeOf({ ...first.record, group: first.group }, token)
      return write('lane-add', place, () => lane.add(entries, options))
    },
    settle: (changes) => write('lane-settle', placeOf(changes, changes.token), () => lane.settle(changes)),
  }
}

function recordLeases(leases: LeaseStore, writer: HistoryWriter): LeaseStore {
  return {
    ...leases,
    async claim(claim) {
      const won = await leases.claim(claim)
      if (won !== undefined) writer.record({ kind: 'claim', ...placeOf(claim, won.token), clean: won.clean })
      return won
    },
    giveBack(lease) {
      writer.record({ kind: 'give-back', ...placeOf(lease, lease.token), clean: lease.clean })
      return leases.giveBack(lease)
    },
  }
}

function placeOf(
  { group, topic, partition }: { readonly group: string; readonly topic: string; readonly partition: number },
  token: number,
): LeasedPlace {
  return { group, topic, partition, token }
}
