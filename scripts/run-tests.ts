import { startVitest } from 'vitest/node'
import type { TestModule } from 'vitest/node'

/** `unit` is what runs in milliseconds, `slow` is `*.slow.test.ts` and `*.e2e.test.ts`. */
export type Tier = 'unit' | 'slow' | 'all'

/** What became of a run. */
export interface TestCounts {
  readonly passed: number
  /** Tests that failed, plus files that could not be loaded and failures outside any test. */
  readonly failed: number
  readonly skipped: number
}

const unhurried = ['slow', 'e2e'].map((tier) => `**/*.${tier}.test.ts`)

/** Runs the tests of a tier whose file's path contains one of the filters, or all of them. */
export async function runTests(tier: Tier, filters: readonly string[]): Promise<TestCounts> {
  const vitest = await startVitest([...filters], {
    watch: false,
    run: true,
    passWithNoTests: true,
    ...(tier === 'unit' ? { exclude: ['**/node_modules/**', ...unhurried] } : {}),
    ...(tier === 'slow' ? { include: unhurried, exclude: ['**/node_modules/**'] } : {}),
  })
  const counts = vitest.state.getTestModules().map(countModule)
  const loose = vitest.state.getUnhandledErrors().length
  await vitest.close()
  return {
    passed: sum(counts.map((each) => each.passed)),
    failed: sum(counts.map((each) => each.failed)) + loose,
    skipped: sum(counts.map((each) => each.skipped)),
  }
}

function countModule(module: TestModule): TestCounts {
  const states = [...module.children.allTests()].map((test) => test.result().state)
  const failed = states.filter((state) => state === 'failed' || state === 'pending').length
  const broken = failed === 0 && module.state() === 'failed' ? 1 : 0
  return {
    passed: states.filter((state) => state === 'passed').length,
    failed: failed + broken,
    skipped: states.filter((state) => state === 'skipped').length,
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
