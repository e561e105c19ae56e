import type { Definitions } from '../contract/catalog.ts'
import type { StoredEvent } from '../contract/event.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Delivery, HandlerResult } from './handler.ts'
import { handlingContext } from './handling-context.ts'
import type { Attempt } from './outcome.ts'
import type { Item, PartitionRun } from './partition-run.ts'
import { readEvent } from './stored-event.ts'

/** Runs one attempt of an item and reports how it ended, exactly once; synchronously if the handler is synchronous. */
export type Execute = (item: Item, onEnd: (item: Item, run: number, attempt: Attempt) => void) => void

export interface ExecutionOptions {
  readonly group: string
  readonly handler: (event: StoredEvent, delivery: Delivery) => HandlerResult | Promise<HandlerResult>
  readonly definitions: Definitions
  /** Wall clock in milliseconds, for `expiresAt`. */
  readonly now: () => number
}

/** Decodes the stored bytes anew for each attempt, so that what a failed attempt changed does not leak into the next. */
export function createExecution({ group, handler, definitions, now }: ExecutionOptions): Execute {
  return (item, onEnd) => {
    const run = item.run
    let result: HandlerResult | Promise<HandlerResult>
    try {
      const event = readEvent(item.record, definitions)
      const { expiresAt } = event.metadata
      if (expiresAt !== undefined && Date.parse(expiresAt) <= now()) return onEnd(item, run, { ok: 'expired' })
      result = handlingContext.run(event, handler, event, new LazyDelivery(item, group))
    } catch (error) {
      return onEnd(item, run, { ok: false, error })
    }
    if (isPromiseLike(result)) {
      // A foreign thenable may throw instead of rejecting.
      const settled = result instanceof Promise ? result : Promise.resolve(result)
      settled.then(
        (value) => onEnd(item, run, { ok: true, result: value }),
        (error: unknown) => onEnd(item, run, { ok: false, error }),
      )
    } else {
      onEnd(item, run, { ok: true, result })
    }
  }
}

/**
 * The one class beside the error: an object literal with a getter costs half a microsecond per event, this costs
 * nothing measurable, and most handlers never ask for the signal.
 */
class LazyDelivery implements Delivery {
  readonly group: string
  readonly attempt: number
  readonly generation: number
  readonly position: Delivery['position']
  readonly #item: Item
  readonly #run: number

  constructor(item: Item, group: string) {
    this.group = group
    this.attempt = item.attempts + 1
    this.generation = item.generation
    this.position = item.record
    this.#item = item
    this.#run = item.run
  }

  /** Made on demand; a handler that looks only when its time is up gets one that has fired. */
  get signal(): AbortSignal {
    const item = this.#item
    if (item.run !== this.#run) return AbortSignal.abort(timedOut())
    if (item.partition.state === 'lost') return AbortSignal.abort(leaseLost())
    item.controller ??= new AbortController()
    return item.controller.signal
  }

  static partitionOf(delivery: Delivery): PartitionRun {
    if (delivery instanceof LazyDelivery) return delivery.#item.partition
    throw new TypeError('This is no delivery of a subscription.')
  }
}

/** The leased partition that a delivery comes from. */
export function partitionOfDelivery(delivery: Delivery): PartitionRun {
  return LazyDelivery.partitionOf(delivery)
}

/** What a handler's signal carries when its partition has moved on. */
export function leaseLost(): MillraceError {
  return new MillraceError(
    'lease_lost',
    'The partition has moved to another member: what this handler does is done there again.',
  )
}

/** What a handler's signal carries when its time is up. */
export function timedOut(): MillraceError {
  return new MillraceError(
    'handler_timeout',
    'The handler took longer than the timeout of its subscription. Stop the work when the signal fires.',
  )
}

function isPromiseLike(value: unknown): value is PromiseLike<HandlerResult> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
