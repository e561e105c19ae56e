// npm test [-- PATH...] [--tier unit|slow|all]: installs the servers and the browser that are missing, runs every tier but soak.
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { ensureInstalled, installed } from '../engines/src/installed.ts'
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
  const outside = await Promise.all(programs.map(async (program) => versionOf(program, await installed(program))))
  return [`Node.js ${process.versions.node}`, `SQLite ${process.versions['sqlite']}`, 'memory', ...outside].join(' · ')
}

function versionOf(program: Program, file: string | undefined): string {
  if (file === undefined) return `${program} missing`
  const said = execFileSync(file, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return `${program} ${/\d+(\.\d+)+/.exec(said)?.[0] ?? 'of unknown version'}`
}
