import { printable } from './escape.ts'
import type { Output } from './output.ts'

/** Prints what is known of one thing, a fact a line; what is undefined is left out. */
export async function printFacts(
  output: Output,
  facts: readonly (readonly [name: string, value: string | number | undefined])[],
): Promise<void> {
  const width = Math.max(...facts.map(([name]) => name.length))
  for (const [name, value] of facts) {
    if (value === undefined) continue
    await output.line(`${output.paint('dim', name.padEnd(width))} ${printable(String(value))}`)
  }
}
