import { MillraceError } from './error.ts'
import { wrongOptions } from './wrong-options.ts'

const OPTIONS: ReadonlySet<string> = new Set(['dryRun'])

/** Whether an action is only tried. Throws `request_invalid` with the path: a "dryRun" that is misspelt, or null, would be carried out. */
export function isDryRun(options: { readonly dryRun?: boolean }): boolean {
  const wrong = wrongOptions(options, OPTIONS)
  if (wrong !== undefined) throw invalid(wrong.name ?? 'options', wrong.what)
  const { dryRun = false } = options
  if (typeof dryRun !== 'boolean') throw invalid('dryRun', 'must be true or false')
  return dryRun
}

function invalid(path: string, what: string): MillraceError {
  return new MillraceError('request_invalid', `The option "${path}" ${what}.`, { path })
}
