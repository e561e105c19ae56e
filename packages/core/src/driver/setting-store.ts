/** Small settings that all processes share and that change at run time, such as the mode of an operation. */
export interface SettingStore {
  get(name: string): Promise<Setting | undefined>

  /** Those whose names begin with `prefix`, by name, at most 1,000. */
  list(prefix: string): Promise<readonly Setting[]>

  /**
   * Stores (or with `undefined` removes) a value if `expectedVersion` is the stored one (0: there is none); undefined when somebody was faster. The
   * version of what was removed is 0. Throws `limit_exceeded`.
   */
  put(
    name: string,
    value: string | undefined,
    expectedVersion: number,
  ): Promise<{ readonly version: number } | undefined>
}

export interface Setting {
  readonly name: string
  /** At most 64 KiB. */
  readonly value: string
  /** Counts the changes, from 1; a removed name begins anew. */
  readonly version: number
}
