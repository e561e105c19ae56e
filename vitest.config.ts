import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const conditions = ['millrace-source', 'node', 'import', 'module', 'default']

/** What takes longest, longest first. */
const LONG = [/conformance/, /test\/crash/, /tutorial/, /kills/, /simulation/, /test\/faults/, /packages\/cli/]

/** Begins with what takes longest, so that no core is idle at the end. A fresh clone knows no durations. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONG.findIndex((long) => long.test(moduleId))
      return at === -1 ? LONG.length : at
    }
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b))
  }
}

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
    // For two cores: most tests wait for a server, a process or a lease most of the time.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    execArgv: ['--conditions=millrace-source'],
    // A machine may be several times slower than the one on which a test was written: these only end what hangs.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000 } },
    env: { MILLRACE_PATIENCE_MS: '60000' },
  },
})
