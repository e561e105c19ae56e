import { MillraceError, type Runtime, wait } from '@millrace/core/driver'
import type { ClientConfig, CustomTypesConfig, Pool, PoolClient } from 'pg'
import { engineName } from '../engine-name.ts'
import type { Settings } from '../settings.ts'
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

const RETRY_MS = [25, 50, 100, 200, 400, 800]
const MOST_REPEATS = 3
/** Room for the server's own timeout to speak first. */
const GRACE_MS = 2_000

/** Opens no connection yet. */
export function createDatabase(settings: Settings, pool: Pool, runtime: Runtime): Database {
  const where = engineName(settings)
  const owned = settings.pool === undefined
  const running = new Set<Promise<unknown>>()
  let away = false
  let closed = false
  pool.on('error', ignoreIdleFailure)

  async function acquire(): Promise<PoolClient> {
    const deadline = runtime.monotonic() + settings.connectTimeoutMs
    for (let tries = 0; ; tries += 1) {
      if (closed) throw closedError(where)
      try {
        const client = await pool.connect()
        if (away) runtime.log.info('PostgreSQL is back', { engine: where })
        away = false
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

  async function withClient<Result>(use: (client: PoolClient) => Promise<Result>): Promise<Result> {
    const client = await acquire()
    // A connection that ends while nobody waits for it would otherwise end the process.
    client.on('error', ignoreIdleFailure)
    let broken = true
    try {
      const result = await use(client)
      broken = false
      return result
    } catch (error) {
      broken = isBroken(error)
      throw error
    } finally {
      // One that is thrown away may still tell of its end.
      if (!broken) client.removeListener('error', ignoreIdleFailure)
      client.release(broken)
    }
  }

  function send(client: PoolClient, text: string, values: readonly SqlValue[], arrays: boolean): Promise<Answer> {
    const query = {
      text: text.replaceAll('$S', quoted(settings.schema)),
      values: [...values],
      types: TYPES,
      ...(arrays ? { rowMode: 'array' } : {}),
    }
    return withDeadline(client.query(query as never) as unknown as Promise<Answer>)
  }

  /** What neither the server nor the network answers is given up; the connection is not used again. */
  function withDeadline(answer: Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const timer = runtime.setTimer(
        () => reject(new Error('no answer within the deadline')),
        settings.statementTimeoutMs + GRACE_MS,
      )
      const fail = (error: unknown): void => {
        timer.cancel()
        reject(error)
      }
      answer.then((value) => {
        timer.cancel()
        resolve(value)
      }, fail)
    })
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

  let shared: { readonly client: Promise<PoolClient>; users: number; broken: boolean } | undefined

  /** Sends on the connection that everybody in turn shares; it goes back to the pool when nobody is left. */
  async function sendInTurn(text: string, values: readonly SqlValue[]): Promise<Answer> {
    if (shared?.broken !== false) {
      const client = acquire()
      shared = { client, users: 0, broken: false }
      client.catch(() => undefined)
    }
    const own = shared
    own.users += 1
    let client: PoolClient | undefined
    try {
      client = await own.client
      if (own.users === 1) client.on('error', ignoreIdleFailure)
      return await send(client, text, values, false)
    } catch (error) {
      own.broken ||= client === undefined || isBroken(error)
      throw client === undefined ? error : toEngineError(error, { where, sent: true })
    } finally {
      own.users -= 1
      if (own.users === 0) {
        if (shared === own) shared = undefined
        client?.removeListener('error', ignoreIdleFailure)
        client?.release(own.broken)
      }
    }
  }

  function track<Result>(work: Promise<Result>): Promise<Result> {
    running.add(work)
    const forget = (): void => void running.delete(work)
    work.then(forget, forget)
    return work
  }

  async function transactionOnce<Result>(run: (sql: Sql) => Promise<Result>): Promise<Result> {
    return withClient(async (client) => {
      const ask = async (text: string, values: readonly SqlValue[], arrays: boolean): Promise<Answer> => {
        try {
          return await send(client, text, values, arrays)
        } catch (error) {
          throw toEngineError(error, { where, sent: text === 'COMMIT' })
        }
      }
      const sql = sqlOver(ask)
      try {
        await ask('BEGIN', [], false)
        const result = await run(sql)
        await ask('COMMIT', [], false)
        return result
      } catch (error) {
        if (!isBroken(error)) await client.query('ROLLBACK').catch(() => undefined)
        throw error
      }
    })
  }

  const pooled = sqlOver((text, values, arrays) =>
    track(
      withClient(async (client) => {
        try {
          return await send(client, text, values, arrays)
        } catch (error) {
          throw toEngineError(error, { where, sent: true })
        }
      }),
    ),
  )

  return {
    ...pooled,
    where,
    schema: settings.schema,
    inTurn: async <Row>(text: string, ...values: readonly SqlValue[]) =>
      (await track(sendInTurn(text, values))).rows[0] as Row | undefined,
    async transaction(run) {
      for (let repeats = 0; ; repeats += 1) {
        try {
          return await track(transactionOnce(run))
        } catch (error) {
          if (repeats >= MOST_REPEATS || !isConflict(error)) throw error
        }
      }
    },
    async close() {
      closed = true
      await Promise.allSettled(running)
      if (owned) await pool.end().catch(() => undefined)
      else pool.removeListener('error', ignoreIdleFailure)
    },
  }
}

/** Loads the client library and prepares a pool from the settings. Throws `config_invalid` where `pg` is not installed. */
export async function openPool(settings: Settings, startup: ClientConfig): Promise<Pool> {
  if (settings.pool !== undefined) return settings.pool
  const { default: pg } = await importPg()
  const pool = new pg.Pool({
    max: settings.maxConnections,
    connectionTimeoutMillis: settings.connectTimeoutMs,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    pipeline: true,
    ...clientConfig(settings, startup),
  })
  // From its first moment: the server may end it in the same breath in which it lets it in.
  pool.on('connect', (client) => void client.on('error', ignoreIdleFailure))
  return pool
}

/** What a connection is opened with. */
export function clientConfig(settings: Settings, startup: ClientConfig): ClientConfig {
  return {
    connectionString: settings.url,
    application_name: 'millrace',
    keepAlive: true,
    ...startup,
    ...settings.client,
  }
}

/** The client library. Throws `config_invalid`, naming what to install. */
export async function importPg(): Promise<typeof import('pg')> {
  try {
    return await import('pg')
  } catch (cause) {
    throw new MillraceError('config_invalid', 'The PostgreSQL engine needs the package "pg": npm install pg.', {
      cause,
    })
  }
}

/** The schema as it stands in statements. */
export function quoted(schema: string): string {
  return `"${schema.replaceAll('"', '""')}"`
}

/** The error of everything that is asked of a closed engine. */
export function closedError(where: string): MillraceError {
  return new MillraceError('closed', `The engine ${where} is not connected, or is closed.`)
}

const INT8 = 20
/** Counts and positions stay far below 2^53; every other type is as text. */
const TYPES: CustomTypesConfig = {
  getTypeParser: ((oid: number) => PARSERS[oid] ?? asText) as CustomTypesConfig['getTypeParser'],
}
const asText = (text: string): unknown => text
const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  [INT8]: Number,
  16: (text) => text === 't',
  21: Number,
  23: Number,
  26: Number,
  700: Number,
  701: Number,
  1700: Number,
  114: JSON.parse,
  3802: JSON.parse,
  1007: intArray,
  1016: intArray,
}

function intArray(text: string): number[] {
  return text === '{}' ? [] : text.slice(1, -1).split(',').map(Number)
}

function ignoreIdleFailure(): void {
  // The pool replaces a connection that ended; whoever needs one and gets none is told.
}

function isBroken(error: unknown): boolean {
  const cause = error instanceof MillraceError ? error.cause : error
  const state = stateOf(cause)
  if (error instanceof MillraceError && cause === undefined) return false
  return state === undefined || isPassing(cause)
}

function isConflict(error: unknown): boolean {
  const state = stateOf(error instanceof Error ? error.cause : undefined)
  return state === '40P01' || state === '40001'
}
