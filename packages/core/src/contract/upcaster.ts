import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { StandardSchema } from './standard-schema.ts'
import { validateData } from './validate-data.ts'

/** What an upcaster is made from. */
export interface UpcasterOptions<Output> {
  readonly type: string
  readonly version: number
  readonly schema: StandardSchema<unknown, Output>
  readonly earlier: ReadonlyMap<
    number,
    { readonly schema: StandardSchema<unknown, unknown>; readonly up: (data: never) => unknown }
  >
}

const VERSION = /^[1-9]\d{0,8}$/

/**
 * The function behind `upcast` of a definition: from a stored version through every step to the latest, each step's
 * result validated by the schema of its version. The steps of a version are composed when it is first met.
 */
export function createUpcaster<Output>(options: UpcasterOptions<Output>): (data: unknown, version: string) => Output {
  const latest = String(options.version)
  const composed = new Map<string, (data: unknown) => Output>()
  return (data, version) => {
    if (version === latest) return data as Output
    let chain = composed.get(version)
    if (chain === undefined) {
      chain = compose(options, version)
      composed.set(version, chain)
    }
    return chain(data)
  }
}

function compose<Output>(
  { type, version: latest, schema, earlier }: UpcasterOptions<Output>,
  version: string,
): (data: unknown) => Output {
  if (!VERSION.test(version) || !earlier.has(Number(version))) throw unknownVersion(type, latest, version)
  const steps = [...earlier].filter(([number]) => number >= Number(version))
  return (data) => {
    let value = data
    for (const [number, step] of steps) {
      const valid = attempt(type, number, 'the stored data does not fit its schema', () =>
        validateData(step.schema, value, type),
      )
      value = attempt(type, number, 'its upcaster threw', () => step.up(valid as never))
    }
    return attempt(type, latest, 'what the upcasters gave does not fit the schema', () =>
      validateData(schema, value, type),
    )
  }
}

function attempt<Result>(type: string, version: number, what: string, run: () => Result): Result {
  try {
    return run()
  } catch (error) {
    if (isMillraceError(error, 'event_definition_invalid')) throw error
    throw new MillraceError(
      'event_upcast_failed',
      `"${type}" could not be brought to the latest version: at version ${version}, ${what}. Correct the upcaster or the schema, and requeue.`,
      { path: isMillraceError(error) ? (error.path ?? 'data') : 'data', cause: error, facts: { version } },
    )
  }
}

function unknownVersion(type: string, latest: number, version: string): MillraceError {
  const newer = VERSION.test(version) && Number(version) > latest
  return new MillraceError(
    'event_unknown_version',
    newer
      ? `"${type}" has version ${version}, and this reader knows versions up to ${latest}. Deploy the newer reader, and requeue.`
      : `"${type}" has version ${JSON.stringify(version.slice(0, 20))}, which this reader does not know; its latest is ${latest}. Add it to "earlier", and requeue.`,
    { path: 'version', facts: { latest } },
  )
}
