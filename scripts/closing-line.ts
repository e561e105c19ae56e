import type { TestCounts } from './run-tests.ts'

/** The last line of a run: what it counted, alone on a line. */
export function closingLine({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`
}

/** A run fails with any failure, and when it ran nothing. */
export function exitCodeOf({ passed, failed }: TestCounts): number {
  return failed > 0 || passed === 0 ? 1 : 0
}
