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
    // V8 loses count of its code pages when threads come and go by the hundred on machines with protection keys
    // (nodejs/node issue 64500: "jit_page.has_value()"), and takes the process down.
    execArgv: ['--conditions=millrace-source', '--no-memory-protection-keys'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
