import { describe, expect, it } from 'vitest'
import type { OperationOf, OperationOptions, Operations } from '../../src/operations/operation.ts'
import { channels } from '../../src/bus/diagnostics.ts'
import { MillraceError } from '../../src/runtime/error.ts'
import { Audit, createWorld, type World } from './fakes.ts'

type Options = Partial<OperationOptions<typeof Audit>>

function define(operations: Operations, options: Options = {}): OperationOf<typeof Audit> {
  return operations.define('audit', { task: Audit, run: ({ url }) => `here:${url}`, ...options })
}

function setUp(
  options: Options = {},
  environment: Record<string, string> = {},
): World & { audit: OperationOf<typeof Audit>; operations: Operations } {
  const world = createWorld()
  const operations = world.process(environment)
  return { ...world, operations, audit: define(operations, options) }
}

const input = { url: '/a' }

/** Lets virtual time pass until the promise has settled. */
async function settled<Value>({ runtime }: World, promise: Promise<Value>): Promise<Value> {
  let isSettled = false
  const done = (): void => void (isSettled = true)
  promise.then(done, done)
  await runtime.advanceUntil(() => isSettled)
  return promise
}

async function open(world: World, audit: OperationOf<typeof Audit>): Promise<void> {
  world.queue.does = 'engine_unreachable'
  world.queue.waitMs = 'engine_unreachable'
  for (let call = 0; call < 3; call += 1) await audit.run(input)
  expect(audit.status.circuit.state).toBe('open')
}

describe('the modes', () => {
  it('goes to the queue and gives the output of the task', async () => {
    const world = setUp()
    const call = await world.audit.start(input, { key: 'k' })
    expect(call).toMatchObject({ mode: 'async', reason: 'rollout' })
    expect(world.queue.starts).toEqual([{ id: call.id, key: 'k' }])
    world.queue.finish(call.id, 'from the queue')
    expect(await call.result()).toBe('from the queue')
    expect(await world.audit.result(call.id)).toBe('from the queue')
  })

  it('runs here with mode sync, on what a worker would see', async () => {
    const { audit, queue } = setUp({ mode: 'sync' })
    const call = await audit.start(input)
    expect(call).toMatchObject({ mode: 'sync', reason: 'mode' })
    expect(await call.result()).toBe('here:/a')
    expect(queue.starts).toEqual([])
    await expect(audit.start({ url: 1 } as never)).rejects.toMatchObject({ code: 'task_input_invalid' })
  })

  it('checks what comes out here as a worker would', async () => {
    const { audit, targets } = setUp({ mode: 'sync' })
    const target = targets.need('task', 'seo.audit')
    targets.register({ ...target, checkOutput: (output) => `checked ${String(output)}` })
    expect(await audit.run(input)).toBe('checked here:/a')
  })

  it('sends the same keys to the queue each time', async () => {
    const { audit, queue } = setUp({ rollout: 30, limits: { queued: 200 } })
    const modes = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => (await audit.start(input, { key: `c${index % 100}` })).mode),
    )
    expect(modes.slice(0, 100)).toEqual(modes.slice(100))
    expect(queue.starts.length).toBeGreaterThan(20)
    expect(queue.starts.length).toBeLessThan(100)
  })

  it("a failure of the work is the caller's to see, and no failure of the queue", async () => {
    const { audit } = setUp({
      mode: 'sync',
      run: () => {
        throw new Error('the page is gone')
      },
    })
    for (let call = 0; call < 5; call += 1) await expect(audit.run(input)).rejects.toThrow('the page is gone')
    expect(audit.status.circuit.state).toBe('closed')
    expect(audit.status.comparison.sync).toMatchObject({ calls: 5, failures: 5, measured: 5 })
  })

  it('the result can be waited for in vain, and called off', async () => {
    const world = setUp({ mode: 'sync', run: () => new Promise<string>(() => {}) })
    const call = await world.audit.start(input)
    await expect(settled(world, call.result({ timeout: 500 }))).rejects.toMatchObject({ code: 'wait_timeout' })
    await expect(call.result({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' })
  })
})

describe('the store', () => {
  it('a change holds at once in its process and within seconds in the others', async () => {
    const world = setUp()
    const there = define(world.process())
    expect((await there.start(input)).mode).toBe('async')
    await world.audit.change({ mode: 'sync', by: 'Ada' })
    expect((await world.audit.start(input)).mode).toBe('sync')
    expect((await there.start(input)).mode).toBe('async')
    await world.runtime.advance(2_100)
    expect((await there.start(input)).mode).toBe('sync')
    expect(there.status).toMatchObject({
      settings: { mode: 'sync', fallback: 'sync', rollout: 100 },
      from: { mode: 'store', fallback: 'code' },
      changedBy: 'Ada',
    })
    await there.change({ mode: null })
    await world.runtime.advance(2_100)
    expect((await world.audit.start(input)).mode).toBe('async')
  })

  it('is looked at before the first call, and little afterwards', async () => {
    const world = setUp()
    await world.audit.change({ mode: 'sync' })
    expect((await define(world.process()).start(input)).mode).toBe('sync')
    const before = world.settings.calls
    await world.runtime.advance(60_000)
    expect(world.settings.calls - before).toBeLessThanOrEqual(60)
  })

  it('when it does not answer, what was known holds, and it is visible', async () => {
    const world = setUp()
    await world.audit.change({ mode: 'sync' })
    world.settings.failing = true
    await world.audit.start(input)
    await world.runtime.advance(5_000)
    expect((await world.audit.start(input)).mode).toBe('sync')
    expect(world.audit.status.problem).toContain('does not answer')
    await expect(world.audit.change({ mode: 'async' })).rejects.toMatchObject({ code: 'engine_unreachable' })
    world.settings.failing = false
    await world.runtime.advance(5_000)
    expect(world.audit.status.problem).toBeUndefined()
  })

  it('what makes no sense in it is told and left out', async () => {
    const world = setUp()
    await world.settings.put('operation:audit', '{"mode":"later"}', 0)
    expect((await world.audit.start(input)).mode).toBe('async')
    expect(world.audit.status.problem).toContain('"later"')
    await world.audit.change({ mode: 'sync' })
    expect((await world.audit.start(input)).mode).toBe('sync')
    expect(world.audit.status.problem).toBeUndefined()
  })

  it('two that change different things at once both have their way', async () => {
    const world = setUp()
    const other = world.process()
    await Promise.all([world.audit.change({ mode: 'sync' }), other.change('audit', { rollout: 7 })])
    expect((await other.get('audit'))?.settings).toEqual({ mode: 'sync', rollout: 7 })
  })

  it('lists what is defined here and what is only stored', async () => {
    const { operations } = setUp()
    await operations.change('import', { rollout: 5 })
    expect((await operations.list()).map(({ name, isDefined }) => [name, isDefined])).toEqual([
      ['audit', true],
      ['import', false],
    ])
    expect(await operations.get('nothing')).toBeUndefined()
    await expect(operations.change('No Name', { mode: 'sync' })).rejects.toMatchObject({ code: 'operation_invalid' })
  })

  it('the environment of a process wins over it', async () => {
    const world = setUp({}, { MILLRACE_OPERATION_AUDIT: 'sync' })
    await world.audit.change({ mode: 'async', rollout: 5 })
    expect((await world.audit.start(input)).mode).toBe('sync')
    expect(world.audit.status).toMatchObject({
      settings: { rollout: 5 },
      from: { mode: 'environment', rollout: 'store' },
    })
    expect(() => define(createWorld().process({ MILLRACE_OPERATION_AUDIT: 'sink' }))).toThrow(
      'MILLRACE_OPERATION_AUDIT',
    )
  })
})

describe('the queue is down', () => {
  it('runs here too while the queue takes no more tasks', async () => {
    const world = setUp()
    world.queue.does = 'queue_full'
    const call = await world.audit.start(input)
    expect(call).toMatchObject({ mode: 'sync', reason: 'queue-failed' })
    expect(await call.result()).toBe('here:/a')
    for (let calls = 0; calls < 2; calls += 1) await world.audit.run(input)
    expect(world.audit.status.circuit).toMatchObject({ state: 'open', reason: 'queue_full: the queue says no' })
  })

  it('runs here, leaves the queue alone after three failures, and goes back by itself', async () => {
    const world = setUp()
    await open(world, world.audit)
    expect(world.queue.starts).toHaveLength(3)
    const call = await world.audit.start(input)
    expect(call).toMatchObject({ mode: 'sync', reason: 'queue-down' })
    expect(await call.result()).toBe('here:/a')
    expect(world.queue.starts).toHaveLength(3)
    expect(world.audit.status).toMatchObject({
      route: { to: 'sync', reason: 'queue-down' },
      circuit: { state: 'open', reason: 'engine_unreachable: the queue says no' },
    })
    expect(world.lines.map(({ level, fields }) => [level, fields])).toEqual([
      ['warn', { operation: 'audit', to: 'sync', reason: 'queue-down' }],
    ])

    const looks = world.queue.looks
    await world.runtime.advance(60_000)
    expect(world.queue.looks - looks).toBeGreaterThan(3)
    expect(world.queue.looks - looks).toBeLessThan(12)
    expect(world.queue.starts).toHaveLength(3)

    world.queue.does = 'store'
    world.queue.waitMs = 0
    await world.runtime.advance(16_000)
    expect(world.audit.status.circuit.state).toBe('half-open')
    expect(await world.audit.start(input)).toMatchObject({ mode: 'async' })
    expect(world.audit.status).toMatchObject({
      circuit: { state: 'closed', reason: undefined },
      route: { to: 'async' },
    })
    expect(world.lines.at(-1)).toMatchObject({ level: 'info' })
  })

  it('one call tries the queue, the others do not wait for it', async () => {
    const world = setUp()
    await open(world, world.audit)
    world.queue.waitMs = 0
    await world.runtime.advance(2_000)
    expect(world.audit.status.circuit.state).toBe('half-open')
    world.queue.does = 'hang'
    const trying = world.audit.start(input)
    trying.catch(() => {})
    expect((await Promise.all([world.audit.start(input), world.audit.start(input)])).map(({ mode }) => mode)).toEqual([
      'sync',
      'sync',
    ])
    await expect(settled(world, trying)).rejects.toMatchObject({ code: 'publish_unknown' })
    expect(world.queue.starts).toHaveLength(4)
    expect(world.audit.status.circuit.state).toBe('open')
  })

  it('an input that is wrong does not count as a try', async () => {
    const world = setUp()
    await open(world, world.audit)
    world.queue.waitMs = 0
    await world.runtime.advance(2_000)
    await expect(world.audit.start({} as never)).rejects.toMatchObject({ code: 'task_input_invalid' })
    expect(world.audit.status.circuit.state).toBe('half-open')
  })

  it('fails fast where the fallback says so', async () => {
    const { audit, queue } = setUp({ fallback: 'fail' })
    queue.does = 'engine_unreachable'
    queue.waitMs = 'engine_unreachable'
    for (let call = 0; call < 3; call += 1)
      await expect(audit.start(input)).rejects.toMatchObject({ code: 'engine_unreachable' })
    await expect(audit.start(input)).rejects.toMatchObject({ code: 'circuit_open', retriable: true })
    expect(queue.starts).toHaveLength(3)
  })

  it('runs no more here than its limits allow', async () => {
    const world = setUp({
      limits: { concurrency: 2, queued: 1 },
      run: async ({ url }, { signal }) => {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        return url
      },
    })
    world.queue.does = 'engine_unreachable'
    const stop = new AbortController()
    const running = [
      await world.audit.start(input, { signal: stop.signal }),
      await world.audit.start(input, { signal: stop.signal }),
    ]
    const waiting = new AbortController()
    const third = await world.audit.start(input, { signal: waiting.signal })
    expect(world.audit.status.here).toEqual({ running: 2, queued: 1, concurrency: 2, room: 0 })
    await expect(world.audit.start(input)).rejects.toMatchObject({ code: 'bulkhead_full', retriable: true })
    waiting.abort()
    await expect(third.result()).rejects.toMatchObject({ code: 'aborted' })
    stop.abort()
    expect(await Promise.all(running.map((call) => call.result()))).toEqual(['/a', '/a'])
    await expect.poll(() => world.audit.status.here.room).toBe(3)
  })
})

describe('whether the queue has it is not known', () => {
  it('is not run here, and neither is a second call with its id', async () => {
    const ran: string[] = []
    const world = setUp({ run: ({ url }) => (ran.push(url), url) })
    world.queue.does = 'store-unknown'
    await expect(world.audit.start(input, { id: 'once' })).rejects.toMatchObject({ code: 'publish_unknown' })
    world.queue.does = 'engine_unreachable'
    await expect(world.audit.start(input, { id: 'once' })).rejects.toMatchObject({ code: 'publish_unknown' })
    expect(ran).toEqual([])
    world.queue.does = 'store'
    expect(await world.audit.start(input, { id: 'once' })).toMatchObject({ mode: 'async' })
    expect(world.queue.tasks).toEqual(['once'])
  })

  it('runs here when the queue says that the task is cancelled and never ran', async () => {
    const world = setUp()
    world.queue.does = 'store-unknown'
    world.queue.cancels = true
    expect(await world.audit.start(input)).toMatchObject({ mode: 'sync', reason: 'queue-failed' })
    expect(world.queue.tasks).toEqual([])
  })

  it('a queue that does not answer in time is unknown, is not asked again, and opens the circuit', async () => {
    const world = setUp()
    world.queue.does = 'hang'
    for (let call = 0; call < 3; call += 1) {
      const thrown = await settled(world, world.audit.start(input, { id: `id${call}` })).catch(
        (error: unknown) => error,
      )
      expect(thrown).toMatchObject({ code: 'publish_unknown', retriable: true, facts: { id: `id${call}` } })
    }
    expect(world.queue.calledOff).toBe(3)
    expect(await world.audit.start(input)).toMatchObject({ mode: 'sync', reason: 'queue-down' })
  })

  it('a task that the queue never sent before it was called off runs here', async () => {
    const world = setUp()
    world.queue.does = 'wait'
    expect(await settled(world, world.audit.start(input))).toMatchObject({ mode: 'sync', reason: 'queue-failed' })
    expect(world.queue.calledOff).toBe(1)
  })

  it('runs here all the same when it is idempotent', async () => {
    const world = setUp({ idempotent: true })
    world.queue.does = 'store-unknown'
    expect(await world.audit.start(input, { id: 'x' })).toMatchObject({ mode: 'sync', reason: 'queue-unknown' })
  })

  it('never runs a call both here and as a task, whatever the queue does', async () => {
    const world = createWorld(7)
    const ran: string[] = []
    const audit = define(world.process(), { run: (_, { id }) => (ran.push(id), id), circuit: { failures: 6 } })
    const does = [
      'store',
      'store',
      'store',
      'engine_unreachable',
      'store-unknown',
      'hang',
      'wait',
      'publish_backpressure',
    ] as const
    const accepted = new Set<string>()
    let retries = 0
    for (let call = 0; call < 600; call += 1) {
      world.queue.does = does[Math.floor(world.runtime.random() * does.length)] ?? 'store'
      world.queue.cancels = world.runtime.random() < 0.3
      world.queue.waitMs = world.runtime.random() < 0.5 ? 0 : 'engine_unreachable'
      const id = `id${Math.floor(world.runtime.random() * 200)}`
      // A caller calls again with the same id until its call is accepted.
      if (accepted.has(id)) continue
      await settled(world, audit.start(input, { id })).then(
        () => void accepted.add(id),
        () => void (retries += 1),
      )
      await world.runtime.advance(world.runtime.random() * 1_000)
    }
    expect(retries).toBeGreaterThan(10)
    expect(ran.length).toBeGreaterThan(20)
    expect(world.queue.tasks.length).toBeGreaterThan(20)
    expect(ran.filter((id) => world.queue.tasks.includes(id))).toEqual([])
    expect(new Set(ran).size).toBe(ran.length)
  })
})

describe('the queue is slow', () => {
  it('runs here while its wait is over the bound, and goes back when it is well below', async () => {
    const world = setUp({ maxWaitMs: 1_000 })
    expect((await world.audit.start(input)).mode).toBe('async')
    world.queue.waitMs = 1_500
    await world.runtime.advance(2_100)
    expect(await world.audit.start(input)).toMatchObject({ mode: 'sync', reason: 'queue-slow' })
    expect(world.audit.status.queue).toMatchObject({ waitMs: 1_500, isSlow: true })
    world.queue.waitMs = 800
    await world.runtime.advance(10_000)
    expect((await world.audit.start(input)).mode).toBe('sync')
    world.queue.waitMs = 100
    await world.runtime.advance(4_100)
    expect((await world.audit.start(input)).mode).toBe('async')
    expect(world.audit.status.queue.isSlow).toBe(false)
  })

  it('says so where it may not run here, and does not mind with mode async', async () => {
    const world = setUp({ maxWaitMs: 1_000, fallback: 'fail' })
    await world.audit.start(input)
    world.queue.waitMs = 5_000
    await world.runtime.advance(2_100)
    await expect(world.audit.start(input)).rejects.toMatchObject({
      code: 'circuit_open',
      message: expect.stringContaining('5000 ms'),
    })
    await world.audit.change({ mode: 'async' })
    expect((await world.audit.start(input)).mode).toBe('async')
  })
})

it('shows both modes beside each other, and tells metrics', async () => {
  const world = setUp({ rollout: 50, run: async ({ url }) => url })
  const seen: unknown[] = []
  const listener = (message: unknown): void => void seen.push(message)
  channels.operation.subscribe(listener)
  for (let index = 0; index < 20; index += 1) {
    const call = await world.audit.start(input, { key: `k${index}` })
    await world.runtime.advance(call.mode === 'async' ? 40 : 0)
    if (index === 19) world.queue.fail(call.id, new MillraceError('task_failed', 'no'))
    else world.queue.finish(call.id, 'x')
    await call.result().catch(() => {})
  }
  await world.runtime.advance(1)
  channels.operation.unsubscribe(listener)
  const { sync, async: asTask } = world.audit.status.comparison
  expect(sync.calls + asTask.calls).toBe(20)
  expect(asTask).toMatchObject({ measured: asTask.calls, p50Ms: 40, p95Ms: 40 })
  expect(sync).toMatchObject({ failures: 0, measured: sync.calls, p50Ms: 0 })
  expect(seen).toHaveLength(20)
})

describe('what cannot be defined', () => {
  it.each([
    [{ rollout: 120 }, 'rollout'],
    [{ mode: 'later' }, 'mode'],
    [{ run: undefined }, 'run'],
    [{ task: undefined }, 'task'],
    [{ startTimeoutMs: 0 }, 'startTimeoutMs'],
    [{ limits: { concurrency: 0 } }, 'concurrency'],
    [{ circuit: { retryMs: 5_000, maxRetryMs: 1_000 } }, 'maxRetryMs'],
  ])('%o', (options, path) => {
    const { process } = createWorld()
    expect(() => define(process(), options as Options)).toThrow(
      expect.objectContaining({ code: 'operation_invalid', path }),
    )
  })

  it('a second one of the same name', () => {
    const { operations } = setUp()
    expect(() => define(operations)).toThrow(expect.objectContaining({ code: 'operation_invalid', path: 'name' }))
  })
})

it('stops looking when it is closed', async () => {
  const world = setUp()
  await open(world, world.audit)
  world.operations.close()
  await world.runtime.advance(1)
  expect(world.runtime.pendingTimers).toBe(0)
})
