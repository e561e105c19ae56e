// npm run build: compiles every package into its dist folder and checks that what npm would publish can be imported.
import { globSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { runSteps } from './run-steps.ts'
import type { Step } from './run-steps.ts'

const packages = globSync('packages/*/package.json')
  .map((manifest) => dirname(manifest))
  .toSorted()
const checks = packages.map((folder): Step => ({
  name: `shape of ${folder}`,
  command: ['publint', folder, '--strict'],
}))

// What a source file left behind that is gone by now would be published too.
for (const built of globSync(['packages/*/dist', 'packages/*/*.tsbuildinfo'])) rmSync(built, { recursive: true })

process.exit(runSteps([{ name: 'compile', command: ['tsc', '-b', ...packages] }, ...checks]))
