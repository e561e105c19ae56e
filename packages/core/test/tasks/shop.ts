import { afterEach } from 'vitest'
import { createMillrace, type Millrace, type MillraceOptions } from '../../src/index.ts'
import type { Driver } from '../../src/driver.ts'
import { memory } from '../../src/memory.ts'
import { settleOn, testRuntime, type TestRuntime } from '../../src/testing.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

/** A backbone on a clock that stands still until a test moves it; closed after the test. */
export interface Shop {
  readonly millrace: Millrace
  readonly runtime: TestRuntime
  readonly errors: unknown[]
  /** The ports of the engine, beside its backbones. */
  readonly driver: Driver
  /** Another process on the same engine and clock. */
  another(options?: Partial<MillraceOptions>): Millrace
  /** The outcome of a promise, moving the clock as far as it needs. */
  settle<Value>(promise: Promise<Value>): Promise<Value>
}

export function openShop(options: Partial<MillraceOptions> = {}, seed = 1): Shop {
  const runtime = testRuntime(seed)
  const engine = options.engine ?? memory()
  const errors: unknown[] = []
  const open = (more: Partial<MillraceOptions> = {}): Millrace => {
    const millrace = createMillrace({
      engine,
      runtime,
      name: 'shop',
      onError: (error) => void errors.push(error),
      ...options,
      ...more,
    })
    ends.push(async () => {
      await settleOn(runtime, millrace.close({ timeoutMs: 1_000 }))
    })
    return millrace
  }
  const driver = engine.open(runtime)
  void driver.transport.connect()
  return {
    driver,
    millrace: open(),
    runtime,
    errors,
    another: open,
    settle: (promise) => settleOn(runtime, promise, { withinMs: 24 * 3_600_000 }),
  }
}
