// npm run check: format, lint, types, layers, unused. What it finds, it only tells; npm run format writes.
import { runSteps } from './run-steps.ts'

process.exit(
  runSteps([
    { name: 'format', command: ['oxfmt', '--check'] },
    { name: 'lint', command: ['oxlint', '--quiet'] },
    { name: 'types', command: ['tsc', '-b'] },
    {
      name: 'layers',
      command: ['vitest', 'run', '--reporter=dot', 'test/architecture.test.ts', 'test/diagram.test.ts'],
    },
    { name: 'unused', command: ['knip', '--no-progress'] },
  ]),
)
