import { isMillraceError, type Runtime } from '@millrace/core/driver'
import type { Pool, PoolClient } from 'pg'
import { engineName } from '../engine-name.ts'
import type { Settings } from '../settings.ts'
import { ignoreFailure, quoted } from './client.ts'
import { COLUMN_TYPES } from './column-types.ts'
import { createConnections } from './connections.ts'
import { isPassing, stateOf, toEngineError } from './postgres-error.ts'

/** A value as it travels: arrays become PostgreSQL arrays, objects JSON. */
export type SqlValue = string | number | boolean | null | readonly (string | number | null)[]

/** Where statements run; `$S` in their text stands for the quoted schema. */
export interface Sql {
  /** Rows as objects. Throws `engine_*`. */
  rows<Row>(text: string, ...values: readonly SqlValue[]): Promise<Row[]>
  /** Rows as arrays. */
  arrays<Row extends readonly unknown[]>(text: string, ...values: readonly SqlValue[]): Promise<Row[]>
  /** The first row, if there is one. */
  first<Row>(text: string, ...values: readonly SqlValue[]): Promise<Row | undefined>
  /** Runs a statement and gives the number of rows it touched. */
  run(text: string, ...values: readonly SqlValue[]): Promise<number>
}

/** The pool of connections, with a deadline on every call. */
export interface Database extends Sql {
  /** For people and logs, without secrets: `postgres://host:5432/name?schema=millrace`. */
  readonly where: string
  readonly schema: string
  /**
   * The first row of a statement that follows those sent before it in this way, on one connection: the server begins with it the
   * moment it is through with the one before.
   */
  inTurn<Row>(text: string, ...values: readonly SqlValue[]): Promise<Row | undefined>
  /** The first row of a statement that waits for a server that is away only this long: for callers who try again by themselves. */
  firstWithin<Row>(patienceMs: number, text: string, ...values: readonly SqlValue[]): Promise<Row | undefined>
  /** Runs statements in one transaction; after a deadlock once more. */
  transaction<Result>(run: (sql: Sql) => Promise<Result>): Promise<Result>
  /** Lets running statements end, then closes what was opened here. */
  close(): Promise<void>
}

/** What a statement on one connection gives. */
interface Answer {
  readonly rows: unknown[]
  readonly rowCount: number | null
}

const MOST_REPEATS = 3
/** Room for the server's own timeout to speak first. */
const GRACE_MS = 2_000

/** Sends a statement on a connection. Throws `engine_*`. */
type Send = (client: PoolClient, text: string, values: readonly SqlValue[], arrays?: boolean) => Promise<Answer>

/** Opens no connection yet. */
export function createDatabase(settings: Settings, pool: Pool, runtime: Runtime): Database {
  const where = engineName(settings)
  const connections = createConnections(settings, pool, { runtime, where })
  const send = createSend(settings, { runtime, where })
  const running = new Set<Promise<unknown>>()

  function track<Result>(work: Promise<Result>): Promise<Result> {
    running.add(work)
    const forget = (): void => void running.delete(work)
    work.then(forget, forget)
    return work
  }

  async function withClient<Result>(
    use: (client: PoolClient) => Promise<Result>,
    patienceMs?: number,
  ): Promise<Result> {
    const client = await connections.acquire(patienceMs)
    let broken = false
    try {
      return await use(client)
    } catch (error) {
      broken = isBroken(error)
      throw error
    } finally {
      connections.release(client, broken)
    }
  }

  const pooled = sqlOver((text, values, arrays) => track(withClient((client) => send(client, text, values, arrays))))

  return {
    ...pooled,
    where,
    schema: settings.schema,
    inTurn: async <Row>(text: string, ...values: readonly SqlValue[]) =>
      (await track(connections.inTurn((client) => send(client, text, values), isBroken))).rows[0] as Row | undefined,
    async firstWithin<Row>(patienceMs: number, text: string, ...values: readonly SqlValue[]) {
      const { rows } = await track(withClient((client) => send(client, text, values), patienceMs))
      return rows[0] as Row | undefined
    },
    async transaction(run) {
      for (let repeats = 0; ; repeats += 1) {
        try {
          return await track(withClient((client) => transactionOn(client, send, run)))
        } catch (error) {
          if (repeats >= MOST_REPEATS || !isConflict(error)) throw error
        }
      }
    },
    async close() {
      connections.refuse()
      // A pool that is ended forgets those who wait for a connection.
      await Promise.allSettled(running)
      await connections.end()
    },
  }
}

async function transactionOn<Result>(
  client: PoolClient,
  send: Send,
  run: (sql: Sql) => Promise<Result>,
): Promise<Result> {
  try {
    await send(client, 'BEGIN', [])
    const result = await run(sqlOver((text, values, arrays) => send(client, text, values, arrays)))
    await send(client, 'COMMIT', [])
    return result
  } catch (error) {
    if (!isBroken(error)) await client.query('ROLLBACK').catch(ignoreFailure)
    throw error
  }
}

function createSend(
  { schema, statementTimeoutMs }: Settings,
  { runtime, where }: { readonly runtime: Runtime; readonly where: string },
): Send {
  /** What neither the server nor the network answers is given up; the connection is not used again. */
  function withDeadline(answer: Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const late = (): void => reject(new Error('no answer within the deadline'))
      const timer = runtime.setTimer(late, statementTimeoutMs + GRACE_MS)
      answer.finally(() => timer.cancel()).then(resolve, reject)
    })
  }

  return async (client, text, values, arrays = false) => {
    const query = {
      text: text.replaceAll('$S', quoted(schema)),
      values: [...values],
      types: COLUMN_TYPES,
      ...(arrays ? { rowMode: 'array' } : {}),
    }
    try {
      return await withDeadline(client.query(query as never) as unknown as Promise<Answer>)
    } catch (error) {
      throw toEngineError(error, { where, sent: true })
    }
  }
}

function sqlOver(ask: (text: string, values: readonly SqlValue[], arrays: boolean) => Promise<Answer>): Sql {
  return {
    rows: async <Row>(text: string, ...values: readonly SqlValue[]) => (await ask(text, values, false)).rows as Row[],
    arrays: async <Row extends readonly unknown[]>(text: string, ...values: readonly SqlValue[]) =>
      (await ask(text, values, true)).rows as Row[],
    first: async <Row>(text: string, ...values: readonly SqlValue[]) =>
      (await ask(text, values, false)).rows[0] as Row | undefined,
    run: async (text, ...values) => (await ask(text, values, false)).rowCount ?? 0,
  }
}

/** Whether the connection is of no use any more; what the code around a statement threw says nothing about it. */
function isBroken(error: unknown): boolean {
  if (!isMillraceError(error) || error.cause === undefined) return false
  return stateOf(error.cause) === undefined || isPassing(error.cause)
}

function isConflict(error: unknown): boolean {
  const state = stateOf(error instanceof Error ? error.cause : undefined)
  return state === '40P01' || state === '40001'
}
