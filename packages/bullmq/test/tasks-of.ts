import type { Driver, Engine, TaskRow } from '@millrace/core/driver'
import { systemRuntime } from '../../core/src/runtime/system-runtime.ts'
import { atEnd } from './queues.ts'

/** A connection of its own to an engine, closed after the test. */
export async function openDriver(engine: Engine): Promise<Driver> {
  const driver = engine.open(systemRuntime())
  await driver.transport.connect()
  atEnd(() => driver.transport.close())
  return driver
}

/** All tasks of an engine, in the order of their adding. */
export async function tasksOf(engine: Engine): Promise<readonly TaskRow[]> {
  const driver = await openDriver(engine)
  const found: TaskRow[] = []
  for (;;) {
    const after = found.at(-1)?.id
    const page =
      (await driver.stores.taskAdmin?.list({ limit: 1_000, ...(after === undefined ? {} : { after }) })) ?? []
    found.push(...page)
    if (page.length < 1_000) return found
  }
}

/** The inputs of all tasks, in the order of their adding; then they are gone, as if they had been run and cleared away. */
export async function takeAll(engine: Engine): Promise<readonly unknown[]> {
  const tasks = await tasksOf(engine)
  const ids = tasks.map(({ id }) => id)
  const { stores } = await openDriver(engine)
  await stores.taskAdmin?.change(ids, { action: 'cancel' })
  await stores.taskAdmin?.change(ids, { action: 'discard' })
  return inputsOf(tasks)
}

/** The inputs of tasks. */
export function inputsOf(tasks: readonly TaskRow[]): readonly unknown[] {
  return tasks.map(({ body }) => (JSON.parse(body) as { readonly input: unknown }).input)
}
