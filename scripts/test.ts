// npm test [-- PATH...] [--tier unit|slow|all]: installs the servers and the browser that are missing, runs every tier but soak.
import { parseArgs } from 'node:util'
import { ensureInstalled, installed, versionOf } from '../engines/src/installed.ts'
import type { Program } from '../engines/src/installed.ts'
import { closingLine, exitCodeOf } from './closing-line.ts'
import { runTests } from './run-tests.ts'
import type { Tier } from './run-tests.ts'

const tiers: readonly Tier[] = ['unit', 'slow', 'all']
const programs: readonly Program[] = [
  'redis-server',
  'postgres',
  'pgbouncer',
  'chromium',
  'strace',
  'valkey-server',
  'postgres-18',
]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tier: { type: 'string', default: 'all' } },
})
const tier = tiers.find((each) => each === values.tier)
if (tier === undefined) {
  console.error(`--tier is one of ${tiers.join(', ')}, not ${values.tier}.`)
  process.exit(2)
}

for (const program of programs) await ensureInstalled(program).catch(complain)
const counts = await runTests(tier, positionals)
console.log(`\nEngines: ${await engines()}`)
if (counts.passed + counts.failed + counts.skipped === 0) console.log('No test matched; that counts as a failure.')
console.log(closingLine(counts))
process.exit(exitCodeOf(counts))

function complain(error: unknown): void {
  console.error(`\n  !!! ${error instanceof Error ? error.message : String(error)} Tests that need it will fail.\n`)
}

async function engines(): Promise<string> {
  const outside = await Promise.all(programs.map(described))
  return [`Node.js ${process.versions.node}`, `SQLite ${process.versions['sqlite']}`, 'memory', ...outside].join(' · ')
}

async function described(program: Program): Promise<string> {
  const file = await installed(program)
  return `${program} ${file === undefined ? 'missing' : await versionOf(file)}`
}
