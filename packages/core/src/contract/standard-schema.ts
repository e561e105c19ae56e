/**
 * The interface of Standard Schema v1 (https://standardschema.dev), which Zod, Valibot, ArkType and others implement.
 * Declared here so that the contract depends on no validator.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** What a publisher passes in. */
export type SchemaInput<Schema> = Schema extends StandardSchema<infer Input, unknown> ? Input : never
/** What is stored and what handlers see. */
export type SchemaOutput<Schema> = Schema extends StandardSchema<unknown, infer Output> ? Output : never
