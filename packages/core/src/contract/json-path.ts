const IDENTIFIER = /^[A-Za-z_$][\w$]*$/
const LONGEST_KEY = 64

/** One more step of a JSON path: `data` and `items` give `data.items`, `data` and 3 give `data[3]`. Long names are cut. */
export function joinPath(path: string, key: PropertyKey): string {
  if (typeof key === 'number') return `${path}[${key}]`
  if (typeof key === 'symbol')
    return `${path}[${key.description === undefined ? 'symbol' : key.description.slice(0, LONGEST_KEY)}]`
  if (IDENTIFIER.test(key) && key.length <= LONGEST_KEY) return `${path}.${key}`
  return `${path}[${JSON.stringify(key.length > LONGEST_KEY ? `${key.slice(0, LONGEST_KEY)}…` : key)}]`
}
