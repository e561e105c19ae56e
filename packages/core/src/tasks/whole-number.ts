/** What is wrong with a value that should be a whole number of a range; undefined when nothing is, or when it is left out. */
export function wrongNumber(
  value: unknown,
  { least, most }: { readonly least: number; readonly most: number },
): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return undefined
  const shown = typeof value === 'number' ? String(value) : `of type ${value === null ? 'null' : typeof value}`
  return `is ${shown}; it must be a whole number from ${least} to ${most}`
}
