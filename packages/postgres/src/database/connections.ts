import { type Runtime, wait } from '@millrace/core/driver'
import type { Pool, PoolClient } from 'pg'
import type { Settings } from '../settings.ts'
import { closedError, ignoreFailure } from './client.ts'
import { endWithin } from './end-within.ts'
import { isPassing, toEngineError } from './postgres-error.ts'

/** Connections of the pool, for whoever gives them back. */
export interface Connections {
  /** Waits for a server that is away, up to the deadline, or `patienceMs`. Throws `engine_*`, `closed`. */
  acquire(patienceMs?: number): Promise<PoolClient>
  /** A broken one is thrown away. */
  release(client: PoolClient, broken: boolean): void
  /**
   * Runs on the connection that everybody in turn shares, sent right behind those before; it goes back when nobody is left.
   * `isBroken` judges what it throws.
   */
  inTurn<Result>(use: (client: PoolClient) => Promise<Result>, isBroken: (error: unknown) => boolean): Promise<Result>
  /** From now on nothing is acquired any more. */
  refuse(): void
  /** Closes what was opened here; everything must have been released. */
  end(): Promise<void>
}

const RETRY_MS = [25, 50, 100, 200, 400, 800]

/** Opens no connection yet. */
export function createConnections(
  settings: Settings,
  pool: Pool,
  {
    runtime,
    where,
  }: {
    readonly runtime: Runtime
    readonly where: string
  },
): Connections {
  let away = false
  let closed = false
  let shared: { readonly client: Promise<PoolClient>; users: number; broken: boolean } | undefined
  const open = new Set<PoolClient>()
  pool.on('error', ignoreFailure)
  if (settings.pool === undefined) {
    pool.on('connect', (client) => void open.add(client))
    pool.on('remove', (client) => void open.delete(client))
  }

  async function acquire(patienceMs = settings.connectTimeoutMs): Promise<PoolClient> {
    const deadline = runtime.monotonic() + Math.min(patienceMs, settings.connectTimeoutMs)
    for (let tries = 0; ; tries += 1) {
      if (closed) throw closedError(where)
      try {
        const client = await pool.connect()
        if (away) runtime.log.info('PostgreSQL is back', { engine: where })
        away = false
        // A connection that ends while nobody waits for it would otherwise end the process.
        client.on('error', ignoreFailure)
        return client
      } catch (error) {
        const delay = RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] ?? 0
        if (closed || !isPassing(error) || runtime.monotonic() + delay >= deadline) {
          throw closed ? closedError(where) : toEngineError(error, { where, sent: false })
        }
        if (!away) runtime.log.warn('PostgreSQL is away; it is tried again', { engine: where })
        away = true
        await wait(runtime, delay)
      }
    }
  }

  function release(client: PoolClient, broken: boolean): void {
    // One that is thrown away may still tell of its end.
    if (!broken) client.removeListener('error', ignoreFailure)
    client.release(broken)
  }

  return {
    acquire,
    release,
    async inTurn(use, isBroken) {
      if (shared?.broken !== false) {
        shared = { client: acquire(), users: 0, broken: false }
        shared.client.catch(ignoreFailure)
      }
      const own = shared
      own.users += 1
      let client: PoolClient | undefined
      try {
        client = await own.client
        return await use(client)
      } catch (error) {
        own.broken ||= client === undefined || isBroken(error)
        throw error
      } finally {
        own.users -= 1
        if (own.users === 0) {
          if (shared === own) shared = undefined
          if (client !== undefined) release(client, own.broken)
        }
      }
    },
    refuse() {
      closed = true
    },
    async end() {
      if (settings.pool === undefined)
        await endWithin(
          () => pool.end(),
          () => open,
          runtime,
        )
      else pool.removeListener('error', ignoreFailure)
    },
  }
}
