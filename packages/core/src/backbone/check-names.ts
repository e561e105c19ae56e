import { MillraceError } from '../runtime/error.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'

/** Refuses options of a call that are none: a condition that is misspelt would be no condition. Throws `request_invalid`. */
export function checkNames(call: string, options: unknown, known: ReadonlySet<string>): void {
  const wrong = wrongOptions(options, known)
  if (wrong === undefined) return
  const path = wrong.name ?? 'options'
  throw new MillraceError('request_invalid', `The option "${path}" of ${call} ${wrong.what}.`, { path })
}

/** Refuses what should be a definition and is none. Throws `request_invalid`. */
export function checkDefinition(call: string, path: string, value: unknown): void {
  if (typeof value === 'object' && value !== null && 'create' in value && 'topic' in value) return
  throw new MillraceError('request_invalid', `"${path}" of ${call} is no definition; make one with defineEvent.`, {
    path,
  })
}
