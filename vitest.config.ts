import { defineConfig } from 'vitest/config'

const conditions = ['millrace-source', 'node', 'import', 'module', 'default']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: [
      'packages/*/test/**/*.test.ts',
      'apps/*/test/**/*.test.ts',
      'engines/test/**/*.test.ts',
      'test/**/*.test.ts',
    ],
    pool: 'forks',
    // The machines that run this have two cores, and servers of their own beside the tests.
    maxWorkers: 2,
    execArgv: ['--conditions=millrace-source'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
