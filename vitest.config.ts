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
    // A machine may be several times slower than the one on which a test was written: these only end what hangs.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000 } },
    env: { MILLRACE_PATIENCE_MS: '60000' },
  },
})
