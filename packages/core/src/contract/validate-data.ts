import { isMillraceError, MillraceError } from '../runtime/error.ts'
import { checkJson, type JsonBounds } from './json-check.ts'
import { joinPath } from './json-path.ts'
import { isPlainCopy } from './plain-copy.ts'
import type { SchemaIssue, SchemaResult, StandardSchema } from './standard-schema.ts'

const MOST_ISSUES_SHOWN = 5

/** What data must keep to that is stored. */
export interface StorageRules {
  readonly bounds: JsonBounds
  /** Leaves lone surrogates to whoever writes the data, who finds them at once with `hasLoneSurrogate`. */
  readonly textsLater?: boolean | undefined
}

/**
 * The schema's output for a value. Throws `event_schema_violation` with the path of the first issue, and
 * `event_definition_invalid` when the schema is asynchronous.
 */
export function validateData<Output>(schema: StandardSchema<unknown, Output>, value: unknown, type: string): Output {
  let result: SchemaResult<Output> | Promise<SchemaResult<Output>>
  try {
    result = schema['~standard'].validate(value)
  } catch (error) {
    throw new MillraceError('event_schema_violation', `The schema of "${type}" threw while it looked at the data.`, {
      path: 'data',
      cause: error,
    })
  }
  if (isPromiseLike(result)) throw asyncSchema(result, value, type)
  if (result.issues !== undefined) throw violation(result.issues, value, type)
  return result.value
}

/**
 * Validates what a publisher gave and returns what is stored: the schema's output, safe for JSON. Where the output
 * differs from the input (a default, a transform), it must pass the schema itself, or readers could not trust it; equal
 * structures are not validated twice. Throws
 * `event_schema_violation`, `event_not_json`, `event_forbidden_key`, `limit_exceeded`.
 */
export function validateForStorage<Output>(
  schema: StandardSchema<unknown, Output>,
  input: unknown,
  type: string,
  { bounds, textsLater = false }: StorageRules,
): Output {
  const output = validateData(schema, input, type)
  if (isPlainCopy(output, input, bounds, !textsLater)) return output
  checkJson(output, { bounds })
  if (!isSameJson(output, input)) validateOutput(schema, output, type)
  return output
}

/** The same, and whether the schema would change what it has made of the input once more. */
export function validateAndCompare<Output>(
  schema: StandardSchema<unknown, Output>,
  input: unknown,
  type: string,
  { bounds, textsLater = false }: StorageRules,
): { readonly output: Output; readonly changesAgain: boolean } {
  const output = validateData(schema, input, type)
  if (isPlainCopy(output, input, bounds, !textsLater)) return { output, changesAgain: false }
  checkJson(output, { bounds })
  const changesAgain = !isSameJson(output, input) && !isSameJson(output, validateOutput(schema, output, type))
  return { output, changesAgain }
}

function validateOutput<Output>(schema: StandardSchema<unknown, Output>, output: Output, type: string): Output {
  try {
    return validateData(schema, output, type)
  } catch (error) {
    if (!isMillraceError(error, 'event_schema_violation')) throw error
    throw new MillraceError(
      'event_schema_violation',
      `The schema of "${type}" turns the data into something that it does not accept itself, at ${error.path ?? 'data'}. ` +
        'What is stored is the output: let the schema accept it, or transform before you publish.',
      { path: error.path ?? 'data', cause: error },
    )
  }
}

/** Whether two values are the same as JSON. `output` has passed `checkJson`: it is a finite tree of plain values, no deeper than the bound. */
export function isSameJson(output: unknown, input: unknown): boolean {
  if (output === input) return true
  if (typeof output !== 'object' || typeof input !== 'object' || output === null || input === null) return false
  if (Array.isArray(output)) {
    if (!Array.isArray(input) || output.length !== input.length) return false
    return output.every((item, at) => item === input[at] || isSameJson(item, input[at]))
  }
  const from = input as Readonly<Record<string, unknown>>
  let more = 0
  for (const key in output) {
    const item = (output as Readonly<Record<string, unknown>>)[key]
    if (item !== from[key] && !isSameJson(item, from[key])) return false
    more += 1
  }
  for (const _ in from) more -= 1
  return more === 0
}

function asyncSchema(result: PromiseLike<unknown>, value: unknown, type: string): MillraceError {
  result.then(undefined, () => {})
  // Some validators go on asynchronously after anything was thrown: a getter that throws is not the schema's fault.
  try {
    checkJson(value)
  } catch (error) {
    if (isMillraceError(error) && error.cause !== undefined) return error
  }
  return new MillraceError(
    'event_definition_invalid',
    `The schema of "${type}" is asynchronous. Publishing validates in place: use a synchronous schema and check the rest before.`,
    { path: 'schema' },
  )
}

function violation(issues: readonly SchemaIssue[], value: unknown, type: string): MillraceError {
  const shown = issues.slice(0, MOST_ISSUES_SHOWN).map((issue) => `${pathOf(issue)}: ${withoutValue(issue, value)}`)
  const more = issues.length > MOST_ISSUES_SHOWN ? `; and ${issues.length - MOST_ISSUES_SHOWN} more` : ''
  const first = issues[0]
  return new MillraceError('event_schema_violation', `The data does not fit "${type}": ${shown.join('; ')}${more}.`, {
    path: first === undefined ? 'data' : pathOf(first),
    facts: { issues: issues.length },
  })
}

function pathOf(issue: SchemaIssue): string {
  return stepsOf(issue).reduce<string>(joinPath, 'data')
}

function stepsOf({ path = [] }: SchemaIssue): readonly PropertyKey[] {
  return path.map((step) => (typeof step === 'object' ? step.key : step))
}

/**
 * What a validator says without the value that it says it about: errors end up in logs, and payloads must not. ArkType
 * appends `(was ...)`, Valibot `received ...`; any other mention of the value is masked. Plain type names stay.
 */
function withoutValue(issue: SchemaIssue, root: unknown): string {
  const message = issue.message
    .slice(0, LONGEST_MESSAGE)
    .replace(/ \(was (?!(?:an? )?[A-Za-z]+\)$)[\s\S]*$/, '')
    .replace(/,? (?:but )?received (?![A-Za-z]+$)[\s\S]*$/i, '')
  const value = valueAt(root, stepsOf(issue))
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint') return message
  const shown = String(value)
  const masked = message.replaceAll(JSON.stringify(shown), '(the value)')
  return shown.length >= SHORTEST_MASKED ? masked.replaceAll(shown, '(the value)') : masked
}

const LONGEST_MESSAGE = 300
/** Shorter values are found in ordinary words and numbers, and give nothing away. */
const SHORTEST_MASKED = 4

function valueAt(root: unknown, steps: readonly PropertyKey[]): unknown {
  let value = root
  try {
    for (const step of steps) value = (value as Readonly<Record<PropertyKey, unknown>>)[step]
  } catch {
    return undefined
  }
  return value
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
