import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { defineTask } from '../../src/index.ts'
import type { Engine } from '../../src/driver.ts'
import { memory } from '../../src/memory.ts'
import { MillraceError } from '../../src/runtime/error.ts'
import { engines, start } from './backbones.ts'
import { until } from '../until.ts'

const Audit = defineTask('seo.audit', {
  input: z.object({ url: z.string(), depth: z.number().default(1) }),
  output: z.object({ pages: z.number(), by: z.string() }),
})

describe.each(engines)('on %s', (_, engine) => {
  it('does the same work here and as a task, and changes over while it runs', async () => {
    const millrace = start({ engine: engine() })
    await millrace.work(Audit, ({ depth }) => ({ pages: depth, by: 'worker' }))
    const audit = millrace.operation('audit', {
      task: Audit,
      mode: 'sync',
      run: ({ depth }, { reason }) => ({ pages: depth, by: reason }),
    })
    expect(await audit.run({ url: '/' })).toEqual({ pages: 1, by: 'mode' })
    await millrace.operations.change('audit', { mode: 'async', by: 'Ada' })
    const call = await audit.start({ url: '/', depth: 7 }, { key: 'shop' })
    expect(call.mode).toBe('async')
    expect(await call.result()).toEqual({ pages: 7, by: 'worker' })
    expect((await millrace.tasks.get(call.id)).key).toBe('shop')
    await expect(audit.start({ url: 5 } as never)).rejects.toMatchObject({ code: 'task_input_invalid' })
    expect(await millrace.operations.list()).toMatchObject([
      { name: 'audit', isDefined: true, settings: { mode: 'async' }, changedBy: 'Ada', task: 'seo.audit' },
    ])
    await until(() => audit.status.comparison.async.measured === 1)
    expect(audit.status.comparison).toMatchObject({ sync: { calls: 1 }, async: { calls: 1, failures: 0 } })
    expectTypeOf(audit.run).parameter(0).toEqualTypeOf<{ url: string; depth?: number | undefined }>()
    expectTypeOf(audit.run).returns.resolves.toEqualTypeOf<{ pages: number; by: string }>()
  })

  it('looks at the wait of the real queue', async () => {
    const millrace = start({ engine: engine() })
    const audit = millrace.operation('audit', {
      task: Audit,
      maxWaitMs: 1,
      run: ({ depth }) => ({ pages: depth, by: 'here' }),
    })
    const waiting = await audit.start({ url: '/' })
    expect(waiting.mode).toBe('async')
    await until(async () => {
      const { mode } = await audit.start({ url: '/' })
      return mode === 'sync'
    })
    expect(audit.status.route).toMatchObject({ to: 'sync', reason: 'queue-slow' })
  })
})

it('runs here while the engine is away, and goes back to the queue when it returns', async () => {
  const { engine, cut, mend } = breakable(memory())
  const millrace = start({ engine })
  const audit = millrace.operation('audit', {
    task: Audit,
    circuit: { failures: 2, retryMs: 3_000, maxRetryMs: 3_000 },
    run: ({ depth }) => ({ pages: depth, by: 'here' }),
  })
  await millrace.start()
  expect((await audit.start({ url: '/' })).mode).toBe('async')
  cut()
  for (let call = 0; call < 2; call += 1) {
    expect(await audit.start({ url: '/' })).toMatchObject({ mode: 'sync', reason: 'queue-failed' })
  }
  expect(await audit.start({ url: '/' })).toMatchObject({ mode: 'sync', reason: 'queue-down' })
  expect(audit.status.circuit).toMatchObject({ state: 'open', reason: expect.any(String) })
  mend()
  await until(() => audit.status.circuit.state === 'half-open')
  expect((await audit.start({ url: '/' })).mode).toBe('async')
  expect(audit.status.circuit.state).toBe('closed')
})

it('does not cancel what its caller was told may be there', async () => {
  const { engine, hold, letGo } = breakable(memory())
  const millrace = start({ engine })
  await millrace.work(Audit, ({ depth }) => ({ pages: depth, by: 'worker' }))
  const audit = millrace.operation('audit', {
    task: Audit,
    startTimeoutMs: 2_000,
    run: ({ depth }) => ({ pages: depth, by: 'here' }),
  })
  await millrace.operations.list()
  hold()
  await expect(audit.run({ url: '/' }, { id: 'once' })).rejects.toMatchObject({ code: 'publish_unknown' })
  letGo()
  expect(await audit.run({ url: '/' }, { id: 'once' })).toEqual({ pages: 1, by: 'worker' })
  await expect(millrace.tasks.result('once')).resolves.toEqual({ pages: 1, by: 'worker' })
})

/** An engine whose task store can be made to fail, or to do nothing until it is let go. */
function breakable(engine: Engine): {
  readonly engine: Engine
  cut(): void
  mend(): void
  hold(): void
  letGo(): void
} {
  let isCut = false
  let free = Promise.resolve()
  let letGo = (): void => {}
  const guard = <Store extends object>(store: Store): Store =>
    Object.fromEntries(
      Object.entries(store).map(([name, member]: [string, unknown]) => {
        if (typeof member !== 'function') return [name, member]
        if (name === 'listen') return [name, member]
        const call = async (...args: unknown[]): Promise<unknown> => {
          await free
          if (isCut) throw unreachable()
          return Reflect.apply(member, store, args) as unknown
        }
        return [name, call]
      }),
    ) as Store
  return {
    engine: {
      name: engine.name,
      open(runtime) {
        const driver = engine.open(runtime)
        const { tasks, taskAdmin } = driver.stores
        if (tasks === undefined || taskAdmin === undefined) throw new Error('no tasks')
        return { ...driver, stores: { ...driver.stores, tasks: guard(tasks), taskAdmin: guard(taskAdmin) } }
      },
    },
    cut: () => (isCut = true),
    mend: () => (isCut = false),
    hold() {
      const held = Promise.withResolvers<void>()
      free = held.promise
      letGo = held.resolve
    },
    letGo: () => letGo(),
  }
}

function unreachable(): MillraceError {
  return new MillraceError('engine_unreachable', 'The engine cannot be reached.', { retriable: true })
}
