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
    execArgv: ['--conditions=millrace-source'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
