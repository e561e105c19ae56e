import { openForReading } from '../file/open-database.ts'
import { toEngineError } from '../file/sqlite-error.ts'
import { createStatements } from '../file/statements.ts'
import { READ_OPERATIONS, type ReadName } from '../read/read-operations.ts'
import type { ReaderState } from '../read/reader-state.ts'
import { createChangeWatch } from './change-watch.ts'
import type { Call, Host, Server } from './host.ts'

/** Opens the file for reading and serves the reading calls in turn; long ones rest between slices. Throws `engine_*`. */
export function createReader(host: Host): Server {
  const { settings } = host
  const sql = createStatements(openForReading(settings))
  const state: ReaderState = { sql, now: () => host.now(), settings, typeNames: new Map() }
  const watch = createChangeWatch(host, sql)
  const resting: { readonly id: number; readonly walk: Generator<void, unknown> }[] = []
  let closed = false

  function answer(id: number, work: () => unknown): void {
    try {
      const value = work()
      if (isGenerator(value)) rest(id, value)
      else host.reply([{ id, value }])
    } catch (error) {
      host.reply([{ id, error: toEngineError(error, settings.path) }])
    }
  }

  function rest(id: number, walk: Generator<void, unknown>): void {
    const step = walk.next()
    if (step.done === true) return host.reply([{ id, value: step.value }])
    if (resting.push({ id, walk }) === 1) host.defer(goOn)
  }

  function goOn(): void {
    if (closed) return
    for (const { id, walk } of resting.splice(0)) answer(id, () => walk)
  }

  return {
    accept({ id, name, input }: Call) {
      if (name === 'watchQueues') return answer(id, () => watch.countQueues(input as { by: 1 | -1 }))
      const operation = READ_OPERATIONS[name as ReadName] as (state: ReaderState, input: unknown) => unknown
      answer(id, () => operation(state, input))
    },
    close() {
      if (closed) return
      closed = true
      watch.close()
      sql.db.close()
    },
  }
}

function isGenerator(value: unknown): value is Generator<void, unknown> {
  return typeof value === 'object' && value !== null && 'next' in value && Symbol.iterator in value
}
