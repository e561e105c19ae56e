import type { MillraceError } from '@millrace/core/driver'
import type { ReadOperations } from '../read/read-operations.ts'
import type { WriteOperations } from '../write/write-operations.ts'
import type { JoinInput } from './heartbeats.ts'
import type { StandingFetch, StandingReply } from './standing-fetches.ts'

type Operation = (state: never, input: never) => unknown
type InputOf<Each extends Operation> = Parameters<Each>[1]
type OutputOf<Each extends Operation> =
  ReturnType<Each> extends Generator<void, infer Output> ? Output : ReturnType<Each>
type CallsOf<Operations extends Record<string, Operation>> = {
  readonly [Name in keyof Operations]: {
    readonly input: InputOf<Operations[Name]>
    readonly output: OutputOf<Operations[Name]>
  }
}

/** What the main thread may ask of the writer. */
export type WriterCalls = CallsOf<WriteOperations> & {
  readonly join: { readonly input: JoinInput; readonly output: void }
  readonly stand: { readonly input: StandingFetch; readonly output: StandingReply }
  readonly watch: { readonly input: { readonly topic: string; readonly by: 1 | -1 }; readonly output: void }
}
/** What the main thread may ask of the reader. */
export type ReaderCalls = CallsOf<ReadOperations> & {
  readonly watchQueues: { readonly input: { readonly by: 1 | -1 }; readonly output: void }
}

/** The way to a writer or reader, wherever it runs. */
export interface Link<Calls extends Record<keyof Calls, { input: unknown; output: unknown }>> {
  /** Rejects with a `MillraceError`; `isOutcomeUnknown` tells whether the change may have been made. */
  call<Name extends keyof Calls & string>(name: Name, input: Calls[Name]['input']): Promise<Calls[Name]['output']>
  /** Keeps the process alive for as long as it is held. */
  hold(): () => void
  /** Lets calls finish, then closes the file. Idempotent. */
  close(): Promise<void>
}

const outcomeUnknown = new WeakSet<Error>()

/** Marks a failure of which nobody knows whether the change is in the file. */
export function markOutcomeUnknown(error: MillraceError): MillraceError {
  outcomeUnknown.add(error)
  return error
}

/** Whether a failed call may have changed the file all the same. */
export function isOutcomeUnknown(error: unknown): boolean {
  return error instanceof Error && outcomeUnknown.has(error)
}
