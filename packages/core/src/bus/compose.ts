import type { StoredEvent } from '../contract/event.ts'
import type { Delivery, Handler, HandlerResult, Middleware } from './handler.ts'

/**
 * Wraps a handler in middleware: the first in the list is the outermost, the handler is the innermost. `next` may be
 * called once; what it resolves with may be passed on or replaced.
 */
export function compose(
  middleware: readonly Middleware[],
  handler: Handler,
): (event: StoredEvent, delivery: Delivery) => HandlerResult | Promise<HandlerResult> {
  if (middleware.length === 0) return handler
  return async (event, delivery) => {
    const run = async (at: number): Promise<HandlerResult> => {
      const layer = middleware[at]
      if (layer === undefined) return handler(event, delivery)
      let called = false
      return layer(event, delivery, () => {
        if (called) throw new Error('A middleware called next() twice.')
        called = true
        return run(at + 1)
      })
    }
    return run(0)
  }
}
