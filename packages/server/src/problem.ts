import { isMillraceError, MillraceError, type ErrorCode } from '@millrace/core'
import { API_HEADERS } from './reply.ts'

/** The status of every code that a request can end with; what is not here is 500. */
const CODES_BY_STATUS: Readonly<Record<number, readonly ErrorCode[]>> = {
  400: [
    'event_forbidden_key',
    'event_malformed',
    'event_name_invalid',
    'event_not_json',
    'position_invalid',
    'replay_invalid',
    'request_invalid',
    'schedule_invalid',
    'operation_invalid',
    'subscription_invalid',
    'task_definition_invalid',
    'task_options_invalid',
  ],
  401: ['unauthorized'],
  403: ['forbidden'],
  404: [
    'dead_letter_unknown',
    'group_unknown',
    'not_found',
    'queue_unknown',
    'schedule_unknown',
    'task_unknown',
    'topic_unknown',
  ],
  405: ['method_not_allowed'],
  408: ['request_timeout'],
  409: [
    'dead_letter_changed',
    'event_conflict',
    'group_mismatch',
    'queue_not_empty',
    'setting_conflict',
    // The result was asked for, and the task has ended without one.
    'task_cancelled',
    'task_child_failed',
    'task_conflict',
    'task_expired',
    'task_failed',
    'task_killed_worker',
    'task_output_invalid',
    'task_rejected',
    'task_timeout',
    'topic_mismatch',
  ],
  413: ['body_too_large', 'limit_exceeded'],
  415: ['media_type_unsupported'],
  422: [
    'event_definition_invalid',
    'event_schema_violation',
    'event_unknown_type',
    'event_unknown_version',
    'event_upcast_failed',
    'task_input_invalid',
  ],
  501: ['capability_missing'],
  // Waiting helps: these carry Retry-After.
  503: [
    'aborted',
    'bulkhead_full',
    'circuit_open',
    'closed',
    'engine_busy',
    'engine_unreachable',
    'lane_full',
    'overloaded',
    'publish_backpressure',
    'publish_unknown',
    'queue_full',
    'topic_full',
  ],
  // Waiting does not help: somebody must make room.
  507: ['engine_full'],
}

const STATUS_BY_CODE: ReadonlyMap<string, number> = new Map(
  Object.entries(CODES_BY_STATUS).flatMap(([status, codes]) => codes.map((code) => [code, Number(status)] as const)),
)

/** What an error looks like in an answer: RFC 9457 members, with the stable code and the place in the input. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly path?: string
}

/** What became wrong with one item of a batch. */
export interface ItemError {
  readonly code: ErrorCode
  readonly detail: string
  readonly path?: string
  readonly retriable: boolean
}

/** The HTTP status of a code. */
export function statusOf(code: ErrorCode): number {
  return STATUS_BY_CODE.get(code) ?? 500
}

/** Any thrown value as a Millrace error; what is not one becomes `internal`, with the value as its cause. */
export function asMillraceError(error: unknown): MillraceError {
  return isMillraceError(error) ? error : new MillraceError('internal', 'An unexpected failure.', { cause: error })
}

/** The problem of an error. The text of engine and internal failures stays in the log: it may name files and hosts. */
export function problemOf(error: MillraceError): Problem {
  return {
    type: `urn:millrace:error:${error.code}`,
    title: error.title,
    status: statusOf(error.code),
    detail: publicDetail(error),
    code: error.code,
    ...(error.path === undefined ? {} : { path: error.path }),
  }
}

/** The error of one item of a batch, under the same rules as `problemOf`. */
export function itemErrorOf(error: MillraceError): ItemError {
  return {
    code: error.code,
    detail: publicDetail(error),
    ...(error.path === undefined ? {} : { path: error.path }),
    retriable: error.retriable || statusOf(error.code) === 503,
  }
}

/** The answer for an error; `extra` adds members to the problem, `headers` to the response. */
export function problemResponse(
  error: unknown,
  { extra = {}, headers = {} }: { extra?: object; headers?: Readonly<Record<string, string>> } = {},
): Response {
  const known = asMillraceError(error)
  const problem = problemOf(known)
  return new Response(JSON.stringify({ ...problem, ...extra }), {
    status: problem.status,
    headers: {
      ...API_HEADERS,
      'content-type': 'application/problem+json',
      ...(problem.status === 503 ? { 'retry-after': retryAfter(known) } : {}),
      // What is left of a refused body must not be taken for the next request.
      ...(problem.status === 413 || problem.status === 408 ? { connection: 'close' } : {}),
      ...headers,
    },
  })
}

function publicDetail(error: MillraceError): string {
  const isPrivate = error.code.startsWith('engine_') || statusOf(error.code) === 500
  return isPrivate ? `${error.title}. The log of the server has the cause.` : error.message
}

function retryAfter(error: MillraceError): string {
  const ms = error.facts['retryAfterMs']
  return String(typeof ms === 'number' ? Math.max(1, Math.ceil(ms / 1_000)) : 1)
}
