import { MillraceError } from '../runtime/error.ts'

/** The error for an option that an engine (`SQLite`) does not have, with the name that was probably meant: `engine_option_unknown`. */
export function unknownOption(engine: string, name: string, known: readonly string[]): MillraceError {
  const nearest = known
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((left, right) => left.distance - right.distance)[0]
  const close = nearest !== undefined && nearest.distance <= Math.max(2, name.length / 3)
  const hint = close ? `Did you mean "${nearest.candidate}"?` : `Known are: ${known.join(', ')}.`
  return new MillraceError('engine_option_unknown', `The ${engine} engine has no option "${name}". ${hint}`, {
    path: name,
  })
}

/** Levenshtein's distance: how many letters to insert, remove or replace. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let i = 1; i <= left.length; i++) {
    const next = [i]
    for (let j = 1; j <= right.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[right.length] ?? 0
}
