import { defineConfig } from 'vitest/config'

const conditions = ['millrace-source', 'node', 'import', 'module', 'default']

export default defineConfig({
  resolve: { conditions },
  // Vitest starts Node with these, and Node would take `import` for `require` too: CommonJS packages would get ES modules.
  ssr: { resolve: { conditions: ['millrace-source', 'node'], externalConditions: ['millrace-source', 'node'] } },
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
