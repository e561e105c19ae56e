import type { FromHandler, HandlerOrder, ToHandler } from './messages.ts'

/** The threads or processes of a pool library, as far as this package needs them. */
export interface Backend {
  /** For messages: `thread`, `process`. */
  readonly kind: 'thread' | 'process'
  /**
   * Runs the order in a place of its own. `kill` ends that place, whatever it does. `ended` resolves when the handler is over and the place is
   * free; rejects when the place is gone.
   */
  start(
    order: HandlerOrder,
    run: { readonly kill: AbortSignal; readonly onMessage: (message: FromHandler) => void },
  ): { readonly ended: Promise<unknown>; post(message: ToHandler): void }
  /** Called when a place without a run is gone: one that could not come up, perhaps for a run that waits for it. */
  onLost(listener: (error: unknown) => void): void
  destroy(): Promise<void>
}
