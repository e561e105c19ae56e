import type { StandardSchema } from '../contract/standard-schema.ts'
import type { Dedupe } from './dedupe.ts'
import type { QueueDefinition } from './queue-definition.ts'
import type { ResolvedRetries } from './retries.ts'

/**
 * A kind of task with its schemas, queue and rules; what `defineTask` returns. `Input` is what callers pass, `Data` what the handler
 * sees (the output of the input's schema), `Returned` what it returns and `Output` what callers get.
 */
export interface TaskDefinition<
  Name extends string = string,
  Input = unknown,
  Data = unknown,
  Returned = unknown,
  Output = unknown,
> {
  readonly name: Name
  readonly description: string | undefined
  readonly queue: QueueDefinition
  readonly input: StandardSchema<unknown, Data> | undefined
  readonly output: StandardSchema<unknown, Output> | undefined
  readonly headStartMs: number
  readonly retries: ResolvedRetries
  /** Milliseconds of one attempt; 0 is without limit. */
  readonly timeoutMs: number
  /** Milliseconds from the adding until the task is not started any more. */
  readonly expiresAfterMs: number | undefined
  /** Unchecked; undefined where the definition has no rule. */
  keyOf(data: Data): string | undefined
  tenantOf(data: Data): string | undefined
  dedupeOf(data: Data): string | Dedupe | undefined
  /** Only for the type checker. */
  readonly types?: {
    readonly input: Input
    readonly data: Data
    readonly returned: Returned
    readonly output: Output
  }
}

/** Any definition, for lists and catalogues. */
// oxlint-disable-next-line typescript/no-explicit-any -- handlers are contravariant: only `any` accepts every definition
export type AnyTaskDefinition = TaskDefinition<string, any, any, any, any>

type TypesOf<Definition> = Definition extends { readonly types?: infer Types } ? NonNullable<Types> : never

/** What callers pass. */
export type TaskInput<Definition> = TypesOf<Definition> extends { readonly input: infer Input } ? Input : never
/** What handlers see. */
export type TaskData<Definition> = TypesOf<Definition> extends { readonly data: infer Data } ? Data : never
/** What handlers return. */
export type TaskReturned<Definition> =
  TypesOf<Definition> extends { readonly returned: infer Returned } ? Returned : never
/** What `result` gives. */
export type TaskOutput<Definition> = TypesOf<Definition> extends { readonly output: infer Output } ? Output : never
