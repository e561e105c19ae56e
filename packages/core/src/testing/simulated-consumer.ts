import type { Driver } from '../driver/driver.ts'
import type { Position } from '../driver/position.ts'
import type { StoredRecord } from '../driver/record.ts'
import type { ConsumeOptions, Consumer } from '../driver/transport.ts'
import { MillraceError } from '../runtime/error.ts'
import type { SimulatedLink } from './simulated-link.ts'
import { unreachable } from './simulated-server.ts'

/** What a reply to a fetch says. */
interface Fetched {
  readonly records: readonly StoredRecord[]
  readonly marks: readonly (readonly [partition: number, position: Position])[]
}

/** A consumer whose cursors are at the server: after any failure it is broken and another one must be opened. */
export function createSimulatedConsumer(
  link: SimulatedLink,
  driverClosing: AbortSignal,
  options: ConsumeOptions,
): Consumer {
  const closing = new AbortController()
  let session: { readonly epoch: number; readonly consumer: Consumer } | undefined
  let broken = false
  // As far as replies told: a mark whose reply was lost is stored and not known of.
  const marked = new Map<number, Position>()

  function sessionAt(server: { readonly driver: Driver; readonly epoch: number }): Consumer {
    session ??= { epoch: server.epoch, consumer: server.driver.transport.consume(options) }
    if (session.epoch !== server.epoch) throw unreachable('lost')
    return session.consumer
  }

  return {
    fetch({ max, paused, signal, mark = false }) {
      const stop = AbortSignal.any([driverClosing, closing.signal, ...(signal === undefined ? [] : [signal])])
      if (stop.aborted) return Promise.resolve([])
      if (broken) return Promise.reject(unreachable('lost'))
      const atServer = new AbortController()
      return new Promise((resolve, reject) => {
        const onStop = (): void => {
          const giveUp = (): void => {
            if (ended) return
            broken = true
            resolve([])
          }
          // A request that is still on its way takes nothing when it arrives.
          if (!arrived) {
            cancelled = true
            return resolve([])
          }
          // The word may get lost.
          link.tell(() => atServer.abort())
          link.later(giveUp)
        }
        let arrived = false
        let cancelled = false
        let ended = false
        stop.addEventListener('abort', onStop, { once: true })
        const finish = (settle: () => void): void => {
          ended = true
          stop.removeEventListener('abort', onStop)
          settle()
        }
        const run = async (server: { readonly driver: Driver; readonly epoch: number }): Promise<Fetched> => {
          arrived = true
          if (cancelled) return { records: [], marks: [] }
          const consumer = sessionAt(server)
          const rest = paused === undefined ? {} : { paused }
          const records = await consumer.fetch({ max, mark, signal: atServer.signal, ...rest })
          return { records, marks: marksOf(consumer, records) }
        }
        link.call({ isChange: false, run }).then(
          ({ records, marks }) => {
            for (const [partition, position] of marks) marked.set(partition, position)
            finish(() => resolve(records))
          },
          (error: unknown) => {
            if (!cancelled) broken = true
            finish(() => reject(error))
          },
        )
      })
    },
    marked: (partition) => marked.get(partition),
    settle: (progress) => {
      const { topic, group } = options
      if (driverClosing.aborted) return Promise.reject(new MillraceError('closed', 'The simulated engine is closed.'))
      return link.call(
        {
          isChange: true,
          run: ({ driver }) => driver.transport.consume({ topic, group, partitions: [] }).settle(progress),
        },
        { mayRepeat: true },
      )
    },
    async close() {
      closing.abort()
      const opened = session?.consumer
      if (opened !== undefined) link.tell(() => void opened.close())
    },
  }
}

function marksOf(consumer: Consumer, records: readonly StoredRecord[]): Fetched['marks'] {
  return [...new Set(records.map(({ partition }) => partition))].flatMap((partition) => {
    const position = consumer.marked?.(partition)
    return position === undefined ? [] : [[partition, position] as const]
  })
}
