import { nearest } from './config/nearest.ts'
import type { Output } from './output/output.ts'

/** A name that the configuration does not know is allowed; one that is nearly known is most likely misspelt, and nobody would handle it. */
export function warnOfMisspelt(output: Output, name: string, known: readonly string[]): void {
  if (known.includes(name)) return
  const near = nearest(name, known)
  if (near === undefined) return
  output.warn(`The configuration has no definition of ${name}, so that nothing is checked. Did you mean ${near}?`)
}
