import { MillraceError } from '../runtime/error.ts'
import type { BackoffRule } from './retries.ts'
import type { TaskMetadata } from './task-handler.ts'

/** What a store keeps of a task as text: the input, the flow that it belongs to, and rules of its own. */
export interface TaskBody {
  readonly input: unknown
  readonly metadata: TaskMetadata
  /** The queue of its parent, which may go on when this ends. */
  readonly parentQueue?: string
  /** It was added where nobody knew its definition: whoever runs it checks all of the input. */
  readonly unchecked?: boolean
  /** The id of the task that it was made for, where it may become that of a holder of its dedupe key. */
  readonly origin?: string
  /** It is not what was enqueued: a dead task was edited. */
  readonly edited?: boolean
  /** The schema would change the input again: it is handed over as it is. */
  readonly asIs?: boolean
  readonly attempts?: number
  readonly backoff?: BackoffRule
  readonly timeout?: number
}

/** `body` as JSON, the input first. */
export function encodeTaskBody({ input, ...rest }: TaskBody): string {
  const text = input === undefined ? undefined : JSON.stringify(input)
  const others = JSON.stringify(rest)
  return text === undefined ? others : `{"input":${text},${others.slice(1)}`
}

/** The same for a task that begins a flow and has no rules of its own: most have none. */
export function encodePlainBody(input: unknown, correlationId: string): string {
  const metadata = `"metadata":{"correlationId":${JSON.stringify(correlationId)}}}`
  return input === undefined ? `{${metadata}` : `{"input":${JSON.stringify(input)},${metadata}`
}

/** Throws `task_input_invalid` for a text that no task has. */
export function decodeTaskBody(text: string): TaskBody {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (error) {
    throw unreadable(error)
  }
  if (typeof body !== 'object' || body === null) throw unreadable(undefined)
  const { metadata } = body as { readonly metadata?: unknown }
  if (typeof metadata !== 'object' || metadata === null) throw unreadable(undefined)
  return body as TaskBody
}

function unreadable(cause: unknown): MillraceError {
  return new MillraceError('task_input_invalid', 'What is stored of the task cannot be read: it is no JSON of ours.', {
    path: 'input',
    cause,
  })
}
