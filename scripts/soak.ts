// npm run soak [-- PATH...] [--minutes N]: the slow tier over and over, each round with larger amounts (MILLRACE_SOAK=1), until the time is up or a test fails.
import { parseArgs } from 'node:util'
import { closingLine, exitCodeOf } from './closing-line.ts'
import { runTests } from './run-tests.ts'
import type { TestCounts } from './run-tests.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '30' } },
})
const minutes = Number(values.minutes)
if (!(minutes > 0)) {
  console.error(`--minutes is a number above 0, not ${values.minutes}.`)
  process.exit(2)
}

process.env['MILLRACE_SOAK'] = '1'
const end = Date.now() + minutes * 60_000
let total: TestCounts = { passed: 0, failed: 0, skipped: 0 }
let rounds = 0
do {
  const counts = await runTests('slow', positionals)
  total = {
    passed: total.passed + counts.passed,
    failed: total.failed + counts.failed,
    skipped: total.skipped + counts.skipped,
  }
  rounds += 1
} while (exitCodeOf(total) === 0 && Date.now() < end)

console.log(`\nRounds: ${rounds}`)
console.log(closingLine(total))
process.exit(exitCodeOf(total))
