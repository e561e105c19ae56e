import { type ErrorCode, isMillraceError, MillraceError } from '@millrace/core/driver'

/** Calls whose fate is not known: the connection ended after they were sent. */
const unknown = new WeakSet<Error>()

/** Whether the statement may have been committed although it failed. */
export function isOutcomeUnknown(error: unknown): boolean {
  return error instanceof Error && unknown.has(error)
}

interface Meaning {
  readonly code: ErrorCode
  readonly text: (message: string) => string
  readonly retriable?: boolean
}

/** What an error state of PostgreSQL means, and what to do about it. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  '28P01': {
    code: 'engine_permission',
    text: () => 'PostgreSQL refuses the password. Check the user and the password of the engine URL.',
  },
  '28000': {
    code: 'engine_permission',
    text: (message) =>
      `PostgreSQL does not let this user in (${message}). Check the user, pg_hba.conf and TLS (sslmode).`,
  },
  '3D000': {
    code: 'engine_unreachable',
    text: (message) => `The database does not exist (${message}). Create it first: CREATE DATABASE name.`,
  },
  '42501': {
    code: 'engine_permission',
    text: (message) =>
      `The role lacks a right (${message}). Let the owner of the schema migrate, and grant the role what docs/engines/postgres.md lists.`,
  },
  '25006': {
    code: 'engine_read_only',
    text: (message) =>
      `PostgreSQL accepts no writes (${message}). Connect to the primary: target_session_attrs=read-write.`,
    retriable: true,
  },
  '53300': {
    code: 'engine_busy',
    text: (message) =>
      `PostgreSQL has no connection left (${message}). Lower maxConnections, raise max_connections of the server, or put a pooler in front.`,
    retriable: true,
  },
  '53100': {
    code: 'engine_full',
    text: (message) => `The disk of PostgreSQL is full (${message}). Make room.`,
    retriable: true,
  },
  '53200': { code: 'engine_busy', text: (message) => `PostgreSQL has no memory left (${message}).`, retriable: true },
  '57014': {
    code: 'engine_busy',
    text: (message) => `PostgreSQL took longer than statementTimeoutMs (${message}). Look for who holds locks.`,
    retriable: true,
  },
  '55P03': { code: 'engine_busy', text: (message) => `Somebody else holds a lock (${message}).`, retriable: true },
  '40P01': { code: 'engine_busy', text: (message) => `PostgreSQL broke a deadlock (${message}).`, retriable: true },
  '40001': { code: 'engine_busy', text: (message) => `PostgreSQL could not serialise (${message}).`, retriable: true },
  '57P03': {
    code: 'engine_unreachable',
    text: (message) => `PostgreSQL is starting or stopping (${message}).`,
    retriable: true,
  },
  '57P04': { code: 'engine_unreachable', text: (message) => `The database was dropped (${message}).` },
  XX001: { code: 'engine_corrupt', text: (message) => `PostgreSQL found damaged data (${message}). Restore a backup.` },
  XX002: { code: 'engine_corrupt', text: (message) => `PostgreSQL found a damaged index (${message}). REINDEX it.` },
  '42P01': { code: 'engine_corrupt', text: missing },
  '42703': { code: 'engine_corrupt', text: missing },
  '42883': { code: 'engine_corrupt', text: missing },
  '3F000': { code: 'engine_corrupt', text: missing },
}

/**
 * States in which the server has ended the session: what was under way may have been committed before. 25P03 and 25P04 are its limits of time for
 * transactions, which a server or a process that has stood still for a while is over.
 */
const ENDING: ReadonlySet<string> = new Set(['57P01', '57P02', '57P05', '25P03', '25P04', '08006', '08003', '08000'])

/**
 * The one error for what the client raised. `sent` tells whether the statement was on its way to the server: then a lost
 * connection means that its outcome is not known.
 */
export function toEngineError(
  error: unknown,
  { where, sent }: { readonly where: string; readonly sent: boolean },
): MillraceError {
  if (isMillraceError(error)) return error
  const state = stateOf(error)
  const message = textOf(error)
  const meaning = state === undefined ? undefined : MEANINGS[state]
  if (meaning !== undefined) {
    const told = new MillraceError(meaning.code, `${meaning.text(message)} [${where}]`, {
      retriable: meaning.retriable ?? false,
      cause: error,
    })
    if (sent && mayHaveEndedServer(error, state)) unknown.add(told)
    return told
  }
  if (sent && mayHaveEndedServer(error, state)) {
    const failed = new MillraceError(
      'engine_unreachable',
      `PostgreSQL gave up in mid-work (${state}: ${message}). [${where}]`,
      {
        retriable: true,
        cause: error,
      },
    )
    unknown.add(failed)
    return failed
  }
  if (state !== undefined && !ENDING.has(state) && !state.startsWith('08')) {
    return new MillraceError('internal', `PostgreSQL refused a statement (${state}: ${message}). [${where}]`, {
      cause: error,
    })
  }
  const lost = new MillraceError(
    'engine_unreachable',
    `PostgreSQL at ${where} cannot be reached (${message}). Check that it runs and that host, port and firewall are right.`,
    { retriable: true, cause: error },
  )
  if (sent) unknown.add(lost)
  return lost
}

/**
 * Whether the server may have given up over it (PANIC) and not only the statement: its log may then hold the commit all the same, and bring it
 * back when it recovers. The word for an error may be translated; any other than `ERROR` counts.
 */
function mayHaveEndedServer(error: unknown, state: string | undefined): boolean {
  const severity: unknown =
    typeof error === 'object' && error !== null && 'severity' in error ? error.severity : undefined
  return severity !== 'ERROR' && state !== undefined && /^(53|58|XX)/.test(state)
}

/** Whether a pooler did not let a connection begin with its settings. */
export function isStartupRefused(error: unknown): boolean {
  const cause: unknown = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && /startup parameter/i.test(cause.message)
}

/** Whether trying again within the deadline makes sense before anything was sent: the server is away or overloaded. */
export function isPassing(error: unknown): boolean {
  const state = stateOf(error)
  if (state === '08P01') return false
  return state === undefined || state === '53300' || state === '57P03' || ENDING.has(state) || state.startsWith('08')
}

/** The five characters of SQLSTATE, when it was the server that spoke. */
export function stateOf(error: unknown): string | undefined {
  const code: unknown = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]{4}$/.test(code) ? code : undefined
}

function missing(message: string): string {
  return `The schema of Millrace is not as it should be (${message}). Something else changed it: restore it, or start with a new schema.`
}

/** The first line, without what may be data: PostgreSQL keeps values to `detail`, which is left out. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const inner = error instanceof AggregateError ? (error.errors[0] as unknown) : undefined
  const text = inner instanceof Error ? inner.message : error.message
  return (text.split('\n')[0] ?? '').slice(0, 200)
}
