import { isMillraceError, MillraceError } from '@millrace/core/driver'
import { stateOf, toEngineError } from '../database/postgres-error.ts'

/** Runs one statement with text parameters in a transaction that the caller has open. */
export type RunInTransaction = (text: string, values: readonly string[]) => Promise<unknown>

/** The transaction handle of a library: what tells it, and how a statement runs through it. */
interface TransactionKind {
  readonly library: string
  readonly run: (tx: never) => RunInTransaction | undefined
}

/** In this order: the handles of Drizzle and Kysely have members that another kind might have too. */
const KINDS: readonly TransactionKind[] = [
  { library: 'kysely', run: runKysely },
  { library: 'drizzle', run: runDrizzle },
  { library: 'prisma', run: runPrisma },
  { library: 'pg', run: runPg },
]

/**
 * How to run a statement through a transaction of `pg` (a client or a client of a pool), Kysely, Drizzle or Prisma. Throws
 * `transaction_invalid` for anything else, and for what the server says of one that is not open.
 */
export function runInTransaction(tx: object, where: string): RunInTransaction {
  for (const kind of KINDS) {
    const run = kind.run(tx as never)
    if (run === undefined) continue
    return async (text, values) => {
      try {
        return await run(text, values)
      } catch (error) {
        throw errorOf(error, where)
      }
    }
  }
  throw invalid('it must be a client of pg, or a transaction of Kysely, Drizzle (node-postgres) or Prisma')
}

/** The error for a transaction that cannot be joined. */
export function invalid(why: string, cause?: unknown): MillraceError {
  return new MillraceError('transaction_invalid', `The transaction cannot be joined: ${why}.`, {
    path: 'tx',
    ...(cause === undefined ? {} : { cause }),
  })
}

/** A client, not a pool: statements of a pool would each run on a connection of their own. */
function runPg(tx: {
  readonly query?: unknown
  readonly totalCount?: unknown
  readonly getTransactionStatus?: unknown
}): RunInTransaction | undefined {
  const { query, getTransactionStatus } = tx
  if (typeof query !== 'function') return undefined
  if (typeof tx.totalCount === 'number') throw invalid('it is a pool; take a client of it, BEGIN on that, and pass it')
  const status: unknown = typeof getTransactionStatus === 'function' ? getTransactionStatus.call(tx) : undefined
  if (status === 'I') throw invalid('no transaction is open; await BEGIN on the client first')
  if (status === 'E') throw invalid('it has failed already and can only be rolled back')
  return (text, values) => query.call(tx, text, [...values]) as Promise<unknown>
}

function runKysely(tx: {
  readonly isTransaction?: unknown
  readonly executeQuery?: unknown
}): RunInTransaction | undefined {
  const { executeQuery } = tx
  if (typeof executeQuery !== 'function' || typeof tx.isTransaction !== 'boolean') return undefined
  if (!tx.isTransaction) throw invalid('the Kysely handle is no transaction; pass the one that "transaction()" gives')
  return (sql, parameters) => {
    const query = { kind: 'RawNode', sqlFragments: [sql], parameters: [] }
    const compiled = { sql, parameters, query, queryId: { queryId: `millrace ${(queries += 1)}` } }
    return executeQuery.call(tx, compiled) as Promise<unknown>
  }
}

let queries = 0

/** Drizzle over node-postgres keeps the client of a transaction in its session. */
function runDrizzle(tx: {
  readonly session?: { readonly client?: { readonly query?: unknown } }
  readonly rollback?: unknown
  readonly execute?: unknown
}): RunInTransaction | undefined {
  if (typeof tx.execute !== 'function' || typeof tx.session !== 'object') return undefined
  if (typeof tx.rollback !== 'function')
    throw invalid('the Drizzle handle is no transaction; pass the one that "transaction()" gives')
  const { client } = tx.session
  if (typeof client?.query !== 'function')
    throw invalid('only Drizzle over node-postgres (drizzle-orm/node-postgres) is supported')
  return runPg(client)
}

/** Prisma hides `$connect` from the client of a transaction. */
function runPrisma(tx: {
  readonly $queryRawUnsafe?: unknown
  readonly $connect?: unknown
}): RunInTransaction | undefined {
  const { $queryRawUnsafe: execute } = tx
  if (typeof execute !== 'function') return undefined
  if (typeof tx.$connect === 'function')
    throw invalid('the Prisma client is no transaction; pass the one that "$transaction(async (tx) => …)" gives')
  return (text, values) => execute.call(tx, text, ...values) as Promise<unknown>
}

/** The server's own words about what was passed, wherever the library has put them. */
function errorOf(error: unknown, where: string): MillraceError {
  if (isMillraceError(error)) return error
  const source = serverError(error)
  const state = stateOf(source)
  const text = source instanceof Error ? source.message : String(source)
  if (state === '25P02') return invalid('it has failed already and can only be rolled back', error)
  if (state === '3F000' || state === '42883' || state === '42P01') {
    return invalid('it is open in a database without the schema of this engine', error)
  }
  if (state === undefined && !(source instanceof Error && 'errno' in source)) {
    return invalid(`its library refused the statement (${text.split('\n')[0] ?? ''})`, error)
  }
  return toEngineError(source, { where, sent: false })
}

function serverError(error: unknown): unknown {
  for (let at = error; at instanceof Error; at = at.cause) if (stateOf(at) !== undefined) return at
  return error
}
