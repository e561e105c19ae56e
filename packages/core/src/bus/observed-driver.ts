import type { Driver, Stores } from '../driver/driver.ts'
import type { Transport } from '../driver/transport.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { channels } from './diagnostics.ts'

/** Members that wait for events to come: how long they take says nothing about the engine. */
const WAITING: ReadonlySet<string> = new Set(['fetch', 'read', 'close'])

/**
 * The same driver, whose calls tell the `millrace:store` channel how long they took and whether they failed. Written once, around
 * the ports, so that no driver measures itself; without a listener a call costs one look at the channel more.
 */
export function observeDriver(
  driver: Driver,
  { millrace, runtime }: { readonly millrace: string; readonly runtime: Runtime },
): Driver {
  const { transport, stores } = driver

  function observe<Port extends object>(port: Port, prefix: string): Port {
    const observed: Port = Object.create(port) as Port
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(port))) {
      const member: unknown = descriptor.value
      if (typeof member !== 'function' || WAITING.has(name)) continue
      const operation = `${prefix}${name}`
      const call = (...input: unknown[]): unknown => {
        if (!channels.store.hasSubscribers) return Reflect.apply(member, port, input)
        return timed(operation, () => Reflect.apply(member, port, input) as unknown)
      }
      Object.defineProperty(observed, name, { value: call, enumerable: true })
    }
    return observed
  }

  function timed(operation: string, call: () => unknown): unknown {
    const started = runtime.monotonic()
    const report = (failed: boolean): void =>
      channels.store.publish({ millrace, operation, failed, durationMs: runtime.monotonic() - started })
    const answer = call()
    if (answer instanceof Promise)
      answer.then(
        () => report(false),
        () => report(true),
      )
    return answer
  }

  const observedTransport: Transport = Object.create(observe(transport, ''), {
    consume: {
      value: (options: Parameters<Transport['consume']>[0]) => observe(transport.consume(options), ''),
      enumerable: true,
    },
  }) as Transport
  const observedStores: Stores = {
    leases: observe(stores.leases, 'lease.'),
    lane: observe(stores.lane, 'lane.'),
    deadLetters: observe(stores.deadLetters, 'dead-letter.'),
    index: observe(stores.index, 'index.'),
    ...(stores.outbox === undefined ? {} : { outbox: observe(stores.outbox, 'outbox.') }),
    ...(stores.inbox === undefined ? {} : { inbox: observe(stores.inbox, 'inbox.') }),
    ...(stores.tasks === undefined ? {} : { tasks: observe(stores.tasks, 'task.') }),
    ...(stores.taskAdmin === undefined ? {} : { taskAdmin: observe(stores.taskAdmin, 'task-admin.') }),
    ...(stores.schedules === undefined ? {} : { schedules: observe(stores.schedules, 'schedule.') }),
    ...(stores.settings === undefined ? {} : { settings: observe(stores.settings, 'setting.') }),
  }
  return { transport: observedTransport, stores: observedStores, diagnose: (options) => driver.diagnose(options) }
}
