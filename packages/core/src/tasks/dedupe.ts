/** While a dedupe key is held, another task with it is not added to the same queue: the caller gets the one that holds it. */
export interface Dedupe {
  /** 1-256 bytes. */
  readonly key: string
  /**
   * What happens to a holder that has not started: `keep` (default) leaves it; `replace` gives it the input of the new one;
   * `debounce` that, and its delay begins anew. One that runs already is left alone by the latter two, and the new one is added.
   */
  readonly mode?: 'keep' | 'replace' | 'debounce'
  /** Until it starts, or until it has ended. Default `end`; of no effect with a `window`. */
  readonly until?: 'start' | 'end'
  /** Milliseconds from the adding for which the key is held whatever the task does: a throttle. */
  readonly window?: number
}
