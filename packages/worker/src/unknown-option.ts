/** What is wrong with the name of an option that is none, which would be as if it had not been said; undefined when all are known. */
export function unknownOption(
  given: object,
  known: readonly string[],
): { readonly name: string; readonly what: string } | undefined {
  const name = Object.keys(given).find((each) => !known.includes(each))
  return name === undefined ? undefined : { name, what: `"${name}" is not known; there are ${known.join(', ')}` }
}
