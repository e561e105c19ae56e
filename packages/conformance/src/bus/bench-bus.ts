import {
  createMillrace,
  defineEvent,
  type EventDefinition,
  type EventMessage,
  type Millrace,
  type MillraceOptions,
  type SubscribeOptions,
  type Subscription,
} from '@millrace/core'
import type { StandardSchema } from '@millrace/core/contract'
import type { Engine } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { eventually, patienceMs } from '../eventually.ts'

/** The data of the suite's events. */
export interface Step {
  readonly key: string
  readonly number: number
}

const step: StandardSchema<Step> = {
  '~standard': { version: 1, vendor: 'conformance', validate: (value) => ({ value: value as Step }) },
}

/** The event of the suite: its key is in its data. */
export const StepTaken: EventDefinition<'suite.step', Step, Step, 'suite'> = defineEvent('suite.step', {
  schema: step,
  key: ({ key }) => key,
})

/** Milliseconds after which a silent member is dead: long enough that nobody is taken for dead because the machine is slow. */
const LEASE_MS = 5_000

/** The lease where somebody dies and is waited for. */
export const MORTAL_LEASE_MS = 1_000

/** A bus over the context's engine, closed at the end. Background errors are collected, not raised. */
export function startBus(
  context: Context,
  options: Omit<MillraceOptions, 'engine'> & { readonly engine?: Engine } = {},
): Millrace {
  const bus = createMillrace({
    engine: context.engine,
    name: 'conformance',
    leaseMs: LEASE_MS,
    topics: { suite: { partitions: 4 } },
    onError: () => {},
    ...options,
  })
  context.onEnd(() => bus.close({ timeoutMs: 0 }))
  return bus
}

/** Publishes steps of these keys in their order, in batches; returns the messages. */
export async function publishSteps(bus: Millrace, keys: readonly string[], from = 0): Promise<EventMessage<Step>[]> {
  const events = keys.map((key, at) => bus.create(StepTaken, { key, number: from + at }))
  for (let at = 0; at < events.length; at += 200) {
    const results = await bus.publishBatch(events.slice(at, at + 200))
    const failed = results.find(({ outcome }) => outcome !== 'stored')
    if (failed !== undefined) throw new Error(`A publish was ${failed.outcome}.`, { cause: failed })
  }
  return events
}

/** Keys in turn: `count` of them, `different` ones. */
export function keysInTurn(count: number, different: number): string[] {
  return Array.from({ length: count }, (_, at) => `key ${at % different}`)
}

/** One call of a handler. */
export interface Handled {
  readonly id: string
  readonly key: string
  readonly number: number
  readonly attempt: number
}

/** What handlers have seen, in the order in which they started. */
export interface Record {
  readonly started: Handled[]
  readonly done: Handled[]
  /** How many run now, at once at most, and at once at most of one key. */
  running: number
  mostAtOnce: number
  mostOfOneKey: number
}

/** Subscribes to steps and records; `work` is awaited inside the handler and may throw. */
export async function record(
  bus: Millrace,
  options: SubscribeOptions,
  work: (handled: Handled, signal: () => AbortSignal) => unknown = () => {},
): Promise<Record & { readonly subscription: Subscription }> {
  const seen: Record = { started: [], done: [], running: 0, mostAtOnce: 0, mostOfOneKey: 0 }
  const byKey = new Map<string, number>()
  const subscription = await bus.subscribe(
    StepTaken,
    async (event, delivery) => {
      const { key, number } = event.data
      const handled: Handled = { id: event.id, key, number, attempt: delivery.attempt }
      seen.started.push(handled)
      seen.running += 1
      byKey.set(key, (byKey.get(key) ?? 0) + 1)
      seen.mostAtOnce = Math.max(seen.mostAtOnce, seen.running)
      seen.mostOfOneKey = Math.max(seen.mostOfOneKey, byKey.get(key) ?? 0)
      try {
        const outcome = await work(handled, () => delivery.signal)
        seen.done.push(handled)
        return outcome as undefined
      } finally {
        seen.running -= 1
        byKey.set(key, (byKey.get(key) ?? 1) - 1)
      }
    },
    { from: 'earliest', ...options },
  )
  return Object.assign(seen, { subscription })
}

/** Waits until this many different events were handled. */
export async function handledAll(seen: Record, count: number): Promise<void> {
  await eventually(
    `${count} events are handled`,
    () => new Set(seen.done.map(({ id }) => id)).size >= count,
    2 * patienceMs(),
  )
}

/** Waits until a group has settled everything and its lane is empty. */
export async function settledAll(bus: Millrace, group: string): Promise<void> {
  await eventually(`the lag of ${group} is 0`, async () => {
    const status = (await bus.groups()).find((each) => each.group === group)
    return status !== undefined && status.lag === 0 && status.lane.waiting === 0
  })
}

/** The numbers of each key in the order of the calls. */
export function numbersByKey(handled: readonly Handled[]): Map<string, number[]> {
  const numbers = new Map<string, number[]>()
  for (const { key, number } of handled) numbers.set(key, [...(numbers.get(key) ?? []), number])
  return numbers
}

/** A promise with its own way to resolve: the tests' signal. */
export function signal(): { readonly fired: Promise<void>; fire(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { fired: promise, fire: () => resolve() }
}
