import { createTargets, type StartOptions, type Targets } from '../../src/bus/targets.ts'
import type { SettingStore } from '../../src/driver/setting-store.ts'
import { createOperations } from '../../src/operations/create-operations.ts'
import type { Operations } from '../../src/operations/operation.ts'
import { MillraceError } from '../../src/runtime/error.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { ErrorCode } from '../../src/runtime/error-codes.ts'
import { testRuntime, type TestRuntime } from '../../src/testing/test-runtime.ts'

/** A queue that does what a test says. */
export interface FakeQueue {
  /** Ids of tasks that it holds, in the order of their adding. */
  readonly tasks: string[]
  readonly starts: { readonly id: string; readonly key: string | undefined }[]
  /** What the next starts do: fail with a code, store and say that it is not known, never answer, wait to be called off, or store. */
  does: 'store' | 'hang' | 'wait' | 'store-unknown' | ErrorCode
  waitMs: number | ErrorCode
  looks: number
  cancels: boolean
  /** Starts that never answered and whose signal has fired. */
  calledOff: number
  /** Ends a task. */
  finish(id: string, output: unknown): void
  fail(id: string, error: Error): void
}

export interface World {
  readonly runtime: TestRuntime
  readonly queue: FakeQueue
  readonly targets: Targets
  readonly settings: SettingStore & { failing: boolean; calls: number }
  readonly lines: { readonly level: string; readonly message: string; readonly fields: unknown }[]
  /** A process of its own on the same store and queue. */
  process(environment?: Record<string, string>): Operations
}

export const Audit = { name: 'seo.audit' } as { readonly name: 'seo.audit'; readonly types?: Types }
interface Types {
  readonly input: { readonly url: string }
  readonly data: { readonly url: string }
  readonly returned: string
  readonly output: string
}

/** Processes that share a store of settings and a queue, in virtual time. */
export function createWorld(seed = 1): World {
  const lines: World['lines'] = []
  const runtime: TestRuntime = testRuntime(seed)
  const logged = Object.assign(Object.create(runtime) as TestRuntime, { log: logInto(lines) })
  const { queue, targets } = fakeQueue()
  const settings = fakeSettings()
  return {
    runtime,
    queue,
    targets,
    settings,
    lines,
    process: (environment = {}) =>
      createOperations({
        millrace: 'test',
        targets,
        settings,
        ready: async () => {},
        runtime: logged,
        environment,
      }),
  }
}

function fakeQueue(): { readonly queue: FakeQueue; readonly targets: Targets } {
  const results = new Map<string, PromiseWithResolvers<unknown>>()
  const resultOf = (id: string): PromiseWithResolvers<unknown> => {
    const held = results.get(id) ?? Promise.withResolvers()
    held.promise.catch(() => {})
    results.set(id, held)
    return held
  }
  const queue: FakeQueue = {
    tasks: [],
    starts: [],
    does: 'store',
    waitMs: 0,
    looks: 0,
    cancels: false,
    calledOff: 0,
    finish: (id, output) => resultOf(id).resolve(output),
    fail: (id, error) => resultOf(id).reject(error),
  }
  async function start(_input: unknown, { id, key, signal }: StartOptions): Promise<{ id: string }> {
    queue.starts.push({ id, key })
    const { does } = queue
    if (does === 'hang' || does === 'wait') {
      return new Promise((_resolve, reject) =>
        signal?.addEventListener('abort', () => {
          queue.calledOff += 1
          if (does === 'wait') reject(new MillraceError('aborted', 'called off'))
        }),
      )
    }
    if (does !== 'store' && does !== 'store-unknown') throw new MillraceError(does, 'the queue says no')
    if (!queue.tasks.includes(id)) queue.tasks.push(id)
    if (does === 'store-unknown') throw new MillraceError('publish_unknown', 'the answer was lost')
    return { id }
  }
  const targets = createTargets()
  targets.register({
    kind: 'task',
    name: 'seo.audit',
    start,
    result: (id) => resultOf(id).promise,
    async cancel(id) {
      if (!queue.cancels || !queue.tasks.includes(id)) return false
      queue.tasks.splice(queue.tasks.indexOf(id), 1)
      return true
    },
    async waitMs() {
      queue.looks += 1
      if (typeof queue.waitMs === 'string') throw new MillraceError(queue.waitMs, 'no look today')
      return queue.waitMs
    },
    checkInput(input) {
      if (typeof (input as { url?: unknown }).url === 'string') return input
      throw new MillraceError('task_input_invalid', 'The url is missing.', { path: 'url' })
    },
  })
  return { queue, targets }
}

function fakeSettings(): World['settings'] {
  const rows = new Map<string, { value: string; version: number }>()
  const store: World['settings'] = {
    failing: false,
    calls: 0,
    async get(name) {
      arrive()
      const row = rows.get(name)
      return row === undefined ? undefined : { name, ...row }
    },
    async list(prefix) {
      arrive()
      return [...rows].filter(([name]) => name.startsWith(prefix)).map(([name, row]) => ({ name, ...row }))
    },
    async put(name, value, expectedVersion) {
      arrive()
      const version = rows.get(name)?.version ?? 0
      if (version !== expectedVersion) return undefined
      if (value === undefined) rows.delete(name)
      else rows.set(name, { value, version: version + 1 })
      return { version: value === undefined ? 0 : version + 1 }
    },
  }
  function arrive(): void {
    store.calls += 1
    if (store.failing) throw new MillraceError('engine_unreachable', 'The engine cannot be reached.')
  }
  return store
}

function logInto(lines: World['lines']): Log {
  const at =
    (level: string): Log['info'] =>
    (message, fields) =>
      void lines.push({ level, message, fields })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
