/** What an application may choose about its SQLite file. */
export interface SqliteOptions {
  /** The file; it is created when absent, its folder is not. */
  readonly path: string
  /**
   * `full` (default): an event that is stored survives a power failure. `normal`: it survives the crash of the process,
   * and the last moments before a power failure may be lost, without damage to the file.
   */
  readonly synchronous?: 'full' | 'normal'
  /** Milliseconds to wait for another process that is writing, before `engine_busy`. Default 5,000. */
  readonly busyTimeoutMs?: number
  /** False runs everything on the caller's thread, by the runtime's clock: for simulations and tests. Default true. */
  readonly threads?: boolean
  /** `single` allows SQLite versions that are unsafe when several processes share the file. Default `many`. */
  readonly processes?: 'many' | 'single'
  /** Milliseconds between two looks for what retention may drop. Default 1,000. */
  readonly retentionEveryMs?: number
  /** Milliseconds between two looks for commits of other processes that the file watch has missed. Default 500. */
  readonly pollEveryMs?: number
  /** Pages of the write-ahead log after which it is copied into the file. Default 10,000. */
  readonly checkpointPages?: number
  /** The largest body that is accepted, in bytes. Default 16 MiB. */
  readonly maxBytes?: number
  /** The file may not grow beyond this many pages of 4 KiB; then publishes are refused with `engine_full`. */
  readonly maxPages?: number
}

/** The options with every default filled in; plain data, so that it can be sent to a thread. */
export type Settings = Required<Omit<SqliteOptions, 'maxPages'>> & { readonly maxPages: number | undefined }

/** Fills in the defaults. */
export function settingsOf({
  path,
  synchronous = 'full',
  busyTimeoutMs = 5_000,
  threads = true,
  processes = 'many',
  retentionEveryMs = 1_000,
  pollEveryMs = 500,
  checkpointPages = 10_000,
  maxBytes = 16 * 1024 * 1024,
  maxPages,
}: SqliteOptions): Settings {
  return {
    path,
    synchronous,
    busyTimeoutMs,
    threads,
    processes,
    retentionEveryMs,
    pollEveryMs,
    checkpointPages,
    maxBytes,
    maxPages,
  }
}
