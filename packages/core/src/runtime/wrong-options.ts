/** What is wrong with options: the name of the one that is strange (undefined for all of them), and a sentence's end that says what. */
export interface WrongOptions {
  readonly name: string | undefined
  readonly what: string
}

/** What is wrong with a value that should be an object with no members but these; undefined when nothing is. A member that is undefined is not there. */
export function wrongOptions(value: unknown, known: ReadonlySet<string>): WrongOptions | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { name: undefined, what: `is ${shownType(value)}; it must be an object` }
  for (const name in value) {
    if (known.has(name) || (value as Record<string, unknown>)[name] === undefined) continue
    return { name: name.slice(0, 40), what: `is not known; there are ${[...known].join(', ')}` }
  }
  return undefined
}

function shownType(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : `of type ${typeof value}`
}
