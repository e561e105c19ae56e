import type { Driver } from '../driver/driver.ts'
import type { StoredRecord } from '../driver/record.ts'
import type { ConsumeOptions, Consumer } from '../driver/transport.ts'
import { MillraceError } from '../runtime/error.ts'
import type { SimulatedLink } from './simulated-link.ts'
import { unreachable } from './simulated-server.ts'

/** A consumer whose cursors are at the server: after any failure it is broken and another one must be opened. */
export function createSimulatedConsumer(
  link: SimulatedLink,
  driverClosing: AbortSignal,
  options: ConsumeOptions,
): Consumer {
  const closing = new AbortController()
  let session: { readonly epoch: number; readonly consumer: Consumer } | undefined
  let broken = false

  function sessionAt(server: { readonly driver: Driver; readonly epoch: number }): Consumer {
    session ??= { epoch: server.epoch, consumer: server.driver.transport.consume(options) }
    if (session.epoch !== server.epoch) throw unreachable('lost')
    return session.consumer
  }

  return {
    fetch({ max, paused, signal }) {
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
        const run = async (server: {
          readonly driver: Driver
          readonly epoch: number
        }): Promise<readonly StoredRecord[]> => {
          arrived = true
          if (cancelled) return []
          return sessionAt(server).fetch({ max, signal: atServer.signal, ...(paused === undefined ? {} : { paused }) })
        }
        link.call({ isChange: false, run }).then(
          (records) => finish(() => resolve(records)),
          (error: unknown) => {
            if (!cancelled) broken = true
            finish(() => reject(error))
          },
        )
      })
    },
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
