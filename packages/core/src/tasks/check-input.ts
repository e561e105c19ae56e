import { checkJson } from '../contract/json-check.ts'
import { DEFAULT_LIMITS, type Limits } from '../contract/limits.ts'
import { hasLoneSurrogate, isPlainCopy } from '../contract/plain-copy.ts'
import type { StandardSchema } from '../contract/standard-schema.ts'
import { validateAndCompare, validateData, validateForStorage } from '../contract/validate-data.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'

/**
 * The data that handlers see of an input: the output of the schema, safe for JSON. Throws `task_input_invalid` with the path,
 * `event_not_json`, `event_forbidden_key`, `limit_exceeded`, `task_definition_invalid` for an asynchronous schema.
 */
export function checkInput<Data>(
  { name, input: schema }: { readonly name: string; readonly input: StandardSchema<unknown, Data> | undefined },
  input: unknown,
  limits: Limits = DEFAULT_LIMITS,
): Data {
  try {
    if (schema !== undefined) return validateForStorage(schema, input, name, { bounds: limits })
    if (!isPlainCopy(input, input, limits, true)) checkJson(input, { path: 'input', bounds: limits })
    return input as Data
  } catch (error) {
    throw asTaskError(error, 'input')
  }
}

/**
 * The data that a handler sees of a stored input: once more the output of the schema, which may be a newer one that has learned a default. Throws
 * `task_input_invalid` with the path.
 */
export function readInput<Data>(
  { name, input: schema }: { readonly name: string; readonly input: StandardSchema<unknown, Data> | undefined },
  stored: unknown,
): Data {
  if (schema === undefined) return stored as Data
  try {
    return validateData(schema, stored, name)
  } catch (error) {
    throw asTaskError(error, 'input')
  }
}

/**
 * The same data, and whether the schema would change it once more: what is stored is then not read through it again. Lone surrogates are
 * left to `checkTexts`. Throws as `checkInput` does.
 */
export function checkInputTwice(
  { name, input: schema }: { readonly name: string; readonly input: StandardSchema<unknown, unknown> | undefined },
  input: unknown,
  limits: Limits,
): { readonly output: unknown; readonly changesAgain: boolean } {
  try {
    if (schema !== undefined) return validateAndCompare(schema, input, name, { bounds: limits, textsLater: true })
    if (!isPlainCopy(input, input, limits, false)) checkJson(input, { path: 'input', bounds: limits })
    return { output: input, changesAgain: false }
  } catch (error) {
    throw asTaskError(error, 'input')
  }
}

/** What `checkInputTwice` leaves open of data, of which `body` is written. Throws `event_not_json`. */
export function checkTexts(input: unknown, body: string, limits: Limits): void {
  if (hasLoneSurrogate(body)) checkJson(input, { path: 'input', bounds: limits })
}

/** As `checkInput`, of what a handler returned. Every fault is `task_output_invalid`, with the path. */
export function checkOutput<Output>(
  { name, output: schema }: { readonly name: string; readonly output: StandardSchema<unknown, Output> | undefined },
  output: unknown,
  limits: Limits = DEFAULT_LIMITS,
): Output {
  try {
    if (schema !== undefined) return validateForStorage(schema, output, name, { bounds: limits })
    if (!isPlainCopy(output, output, limits, true)) checkJson(output, { path: 'output', bounds: limits })
    return output as Output
  } catch (error) {
    throw asTaskError(error, 'output')
  }
}

/** What the contract says of `data`, said of an input or output. */
function asTaskError(error: unknown, what: 'input' | 'output'): unknown {
  if (!isMillraceError(error)) return error
  return new MillraceError(codeOf(error, what), renamed(error.message, what), {
    path: renamed(error.path ?? what, what),
    facts: error.facts,
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  })
}

function codeOf(error: MillraceError, what: 'input' | 'output'): MillraceError['code'] {
  if (error.code === 'event_definition_invalid') return 'task_definition_invalid'
  if (what === 'output') return 'task_output_invalid'
  return error.code === 'event_schema_violation' ? 'task_input_invalid' : error.code
}

function renamed(text: string, what: string): string {
  return text.replaceAll(/\bdata(?=$|[\s.:;[])/g, what)
}
