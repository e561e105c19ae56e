import type { Pool, PoolClient } from 'pg'
import { closedError, openPool } from '../database/client.ts'
import { toEngineError } from '../database/postgres-error.ts'
import { engineName } from '../engine-name.ts'
import type { Settings } from '../settings.ts'

/**
 * Connections for handlers with an inbox, apart from those of the engine: a handler that waits for the engine while it holds a
 * connection must not be the one who keeps it from getting one.
 */
export interface InboxPool {
  /** Throws `engine_*`, `closed`. */
  take(): Promise<PoolClient>
  give(client: PoolClient, isBroken: boolean): void
  /** Ends also what handlers still hold. */
  close(): Promise<void>
}

export function createInboxPool(settings: Settings): InboxPool {
  const where = engineName(settings)
  const owned = settings.pool === undefined
  const held = new Set<PoolClient>()
  let opening: Promise<Pool> | undefined
  let closed = false

  async function open(): Promise<Pool> {
    const pool = await openPool(settings, { application_name: 'millrace inbox' })
    if (owned) pool.on('error', ignoreIdleFailure)
    return pool
  }

  return {
    async take() {
      if (closed) throw closedError(where)
      const pool = await (opening ??= open())
      let client: PoolClient
      try {
        client = await pool.connect()
      } catch (error) {
        throw toEngineError(error, { where, sent: false })
      }
      client.on('error', ignoreIdleFailure)
      held.add(client)
      return client
    },
    give(client, isBroken) {
      if (!held.delete(client)) return
      // One that is thrown away may still tell of its end.
      if (!isBroken) client.removeListener('error', ignoreIdleFailure)
      client.release(isBroken)
    },
    async close() {
      closed = true
      for (const client of held) this.give(client, true)
      const pool = await opening?.catch(() => undefined)
      if (owned) await pool?.end().catch(() => undefined)
    },
  }
}

function ignoreIdleFailure(): void {
  // Whoever uses the connection next is told.
}
