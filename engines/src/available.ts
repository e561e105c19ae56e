import { ensureInstalled } from './installed.ts'
import type { Program } from './installed.ts'

const told = new Set<Program>()

/**
 * Whether tests can have the programs (installed now where that is possible). Where not, says so in one loud line, once, so that the tests
 * that need them are skipped in everybody's sight; with `CI=true` it throws instead: there a missing engine is a failure.
 */
export async function available(...programs: readonly Program[]): Promise<boolean> {
  for (const program of programs) {
    try {
      await ensureInstalled(program)
    } catch (error) {
      if (process.env['CI'] === 'true') throw error
      if (!told.has(program)) {
        process.stderr.write(`\n  !!! SKIPPED: ${error instanceof Error ? error.message : String(error)}\n\n`)
      }
      told.add(program)
      return false
    }
  }
  return true
}
