import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { defineQueue, defineTask, done, isMillraceError, type TaskView } from '../../src/index.ts'
import { openShop, type Shop } from './shop.ts'

// The numbers are the lines of the list of bad input (docs/bad-input.md), here as users of tasks meet them.

const Anything = defineTask('any.thing', { input: z.unknown(), attempts: 1 })
const Counted = defineTask('counted', { input: z.object({ n: z.number() }), attempts: 1 })

const codeOf = (error: unknown): string => (isMillraceError(error) ? error.code : `no typed error: ${String(error)}`)
const ended = async (promise: Promise<unknown>): Promise<unknown> => promise.catch(codeOf)
const codes = (results: readonly PromiseSettledResult<unknown>[]): string[] =>
  results.map((result) => (result.status === 'fulfilled' ? 'stored' : codeOf(result.reason)))
const inputs = async ({ millrace, settle }: Shop): Promise<unknown[]> =>
  (await settle(millrace.tasks.list({ limit: 1_000 }))).map(({ input }) => input)
const thrownBy = (run: () => unknown): unknown => {
  try {
    return run()
  } catch (error) {
    return error
  }
}
const nested = (depth: number): unknown => Array.from({ length: depth }).reduce((inner) => [inner], 0)

describe('inputs', () => {
  it('1-7: stores nothing of what is not data', async () => {
    const shop = openShop()
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    const secret = (): never => {
      throw new Error('secret')
    }
    const wrong: readonly (readonly [unknown, string])[] = [
      [() => 1, 'event_not_json'],
      [Symbol('s'), 'event_not_json'],
      [1n, 'event_not_json'],
      [Number.NaN, 'event_not_json'],
      [Number.POSITIVE_INFINITY, 'event_not_json'],
      [-0, 'event_not_json'],
      ['\ud800', 'event_not_json'],
      [{ '\udc00': 1 }, 'event_not_json'],
      [circle, 'event_not_json'],
      [Object.defineProperty({}, 'a', { get: secret, enumerable: true }), 'event_not_json'],
      [new Proxy({}, { ownKeys: secret }), 'event_not_json'],
      [{ toJSON: secret }, 'event_not_json'],
      [{ toJSON: () => undefined }, 'event_not_json'],
      [new Date(Number.NaN), 'event_not_json'],
      [new Map(), 'event_not_json'],
      [Buffer.from('x'), 'event_not_json'],
      [Object.assign([], { 1: 0 }), 'event_not_json'],
      ['x'.repeat(256 * 1024), 'limit_exceeded'],
      ['😀'.repeat(66_000), 'limit_exceeded'],
      [nested(10_000), 'limit_exceeded'],
      [Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`k${at}`, 0])), 'limit_exceeded'],
      [JSON.parse('{"a":{"__proto__":1}}'), 'event_forbidden_key'],
      [{ constructor: 1 }, 'event_forbidden_key'],
      ['\ud800', 'event_not_json'],
    ]
    const results = await shop.settle(
      Promise.allSettled(wrong.map(([input]) => shop.millrace.enqueue(Anything, input))),
    )
    expect(codes(results)).toEqual(wrong.map(([, code]) => code))
    const told = results.map((result) => (result.status === 'rejected' ? String(result.reason) : ''))
    expect(told.filter((message) => message.includes('secret'))).toEqual([])
    expect(await inputs(shop)).toEqual([])
  })

  it('5-7: keeps as it is what is only strange', async () => {
    const shop = openShop()
    const strange = [
      null,
      // oxlint-disable-next-line unicorn/no-thenable -- as data it is only a name
      { then: 1, toString: 2, hasOwnProperty: 3 },
      'a\u0000\u2028\u202e',
      'Ame\u0301lie',
      nested(60),
    ]
    await shop.settle(shop.millrace.enqueueMany(Anything, strange))
    expect(await inputs(shop)).toEqual(strange)
    for (const key of ['Ame\u0301lie', 'Am\u00e9lie']) await shop.settle(shop.millrace.enqueue(Anything, 0, { key }))
    expect(await shop.settle(shop.millrace.tasks.list({ key: 'Am\u00e9lie' }))).toHaveLength(1)
  })

  it('12: numbers are doubles, and text is no number', async () => {
    const shop = openShop()
    const { millrace, settle } = shop
    const of = (json: string): Promise<unknown> => ended(settle(millrace.enqueue(Counted, JSON.parse(json) as never)))
    expect(await of('{"n":1e400}')).toBe('task_input_invalid')
    expect(await of('{"n":"1e3"}')).toBe('task_input_invalid')
    await of('{"n":9007199254740993}')
    expect(await inputs(shop)).toEqual([{ n: 2 ** 53 }])
  })

  it('11: the same id with another input is refused, and leaves the first one as it is', async () => {
    const shop = openShop()
    const { millrace, settle } = shop
    await settle(millrace.enqueue(Counted, { n: 1 }, { id: 'same' }))
    const second = settle(millrace.enqueue(Counted, { n: 2 }, { id: 'same' }))
    await expect(second).rejects.toMatchObject({ code: 'task_conflict' })
    expect(await inputs(shop)).toEqual([{ n: 1 }])
  })

  it('17: one bad input of many keeps all from being added; none is nothing; a million wait their turn', async () => {
    const shop = openShop()
    const { millrace, settle } = shop
    const many = Array.from({ length: 500 }, (_, n) => ({ n: n === 321 ? ('x' as never) : n }))
    await expect(settle(millrace.enqueueMany(Counted, many))).rejects.toMatchObject({
      code: 'task_input_invalid',
      path: 'input.n',
    })
    expect(await settle(millrace.enqueueMany(Counted, []))).toEqual([])
    expect(await inputs(shop)).toEqual([])
    for (const [given, options] of [
      ['x', {}],
      [[{ n: 1 }, { n: 2 }], { id: 'one' }],
    ] as const)
      // prettier-ignore
      expect(await ended(settle(millrace.enqueueMany(Counted, given as never, options as never)))).toBe(
        'task_options_invalid',
      )
    const handles = await settle(
      millrace.enqueueMany(
        Counted,
        Array.from({ length: 20_000 }, (_, n) => ({ n })),
      ),
    )
    expect(new Set(handles.map(({ id }) => id)).size).toBe(20_000)
  })

  it('61: what is too large is refused before any engine is asked', async () => {
    const { millrace, settle } = openShop()
    const large = millrace.enqueue(Anything, 'x'.repeat(300_000))
    await expect(settle(large)).rejects.toMatchObject({ code: 'limit_exceeded', path: 'input' })
    expect(await settle(millrace.queues.list())).toEqual([])
  })
})

describe('definitions, options and rules', () => {
  it.each([
    ['an option that is misspelt', { atempts: 3 }, 'atempts'],
    ['options that are none', null, 'options'],
    ['no attempt', { attempts: 0 }, 'attempts'],
    ['attempts without end', { attempts: Number.POSITIVE_INFINITY }, 'attempts'],
    ['a negative delay', { backoff: { delay: -1 } }, 'backoff.delay'],
    ['a backoff that is misspelt', { backoff: { delayMs: 5 } }, 'backoff.delayMs'],
    ['a jitter that is a number', { backoff: { jitter: 0.5 } }, 'backoff.jitter'],
    ['a priority between two', { priority: 1.5 }, 'priority'],
    ['a priority that is too high', { priority: 1e9 }, 'priority'],
    ['a priority of the prototype', { priority: 'constructor' }, 'priority'],
    ['a time that overflows timers', { timeout: 2 ** 31 }, 'timeout'],
    ['a queue that is none', { queue: {} }, 'queue'],
    ['a queue that is null', { queue: null }, 'queue'],
    ['perKey that is a number', { perKey: 2 }, 'perKey'],
    ['perKey that is misspelt', { perKey: { ordr: true } }, 'perKey.ordr'],
    ['an order that is a text', { perKey: { order: 'no' } }, 'perKey.order'],
    ['fair that is a text', { fair: 'no' }, 'fair'],
    ['fair without its quantum', { fair: {} }, 'fair'],
    ['keep that is misspelt', { keep: { ages: 1 } }, 'keep.ages'],
    ['keep that is null', { keep: null }, 'keep'],
    ['a key that answers later', { key: async () => 'k' }, 'key'],
    ['a retryIf that answers later', { retryIf: async () => false }, 'retryIf'],
    ['a back-off that answers later', { backoff: async () => 5 }, 'backoff'],
    ['a rate of nothing', { rateLimit: { limit: 0, per: 1_000 } }, 'rateLimit.limit'],
  ])('16: refuses %s', (_what, options, path) => {
    const error = thrownBy(() => defineTask('bad', options as never))
    expect(error).toMatchObject({ code: 'task_definition_invalid', path })
  })

  it('31: names of tasks and queues cannot inject, and a name has one definition and one worker', async () => {
    for (const name of [
      '',
      '.',
      'a..b',
      '*',
      'a b',
      '../x',
      '__proto__',
      'a\n',
      "'; DROP TABLE tasks",
      'x'.repeat(300),
    ]) {
      for (const [what, define] of [
        ['task', defineTask],
        ['queue', defineQueue],
      ] as const)
        expect(thrownBy(() => define(name))).toMatchObject({
          code: 'event_name_invalid',
          path: 'name',
          message: expect.stringContaining(`The name of the ${what} `),
        })
    }
    const { millrace, settle } = openShop()
    await settle(millrace.work(Counted, () => 1))
    const again = defineTask('counted', { input: z.object({ n: z.number() }) })
    const wrong = [
      [millrace.work(again, () => 1), 'task_definition_invalid'],
      [millrace.enqueue(again, { n: 1 }), 'task_definition_invalid'],
      [millrace.work(Counted, () => 2), 'task_options_invalid'],
      [millrace.enqueue('counted' as never), 'task_definition_invalid'],
      [millrace.work(Anything, 5 as never), 'task_options_invalid'],
      [millrace.work(Anything, () => 1, { concurrency: 0 }), 'task_options_invalid'],
      [millrace.work(Anything, () => 1, { concurency: 5 } as never), 'task_options_invalid'],
      [millrace.work(Anything, () => [], { batch: {} as never }), 'task_options_invalid'],
      [millrace.work(Anything, () => [], { batch: { size: 1e9 } }), 'task_options_invalid'],
      [
        millrace.work(
          Anything,
          Object.assign(() => [], { concurrency: 2 }),
          { batch: { size: 5 } },
        ),
        'task_options_invalid',
      ],
    ] as const
    const results = await settle(Promise.allSettled(wrong.map(([call]) => call)))
    expect(codes(results)).toEqual(wrong.map(([, code]) => code))
    const worker = await settle(millrace.work(Anything, () => 1))
    for (const [path, options] of [
      ['timeout', { timeout: 5 }],
      ['timeoutMs', { timeoutMs: Number.NaN }],
      ['timeoutMs', { timeoutMs: -1 }],
    ] as const) {
      await expect(worker.stop(options as never)).rejects.toMatchObject({ code: 'task_options_invalid', path })
    }
    expect(worker.status.state).toBe('running')
  })

  it.each([
    ['delay', { delay: -1 }],
    ['delay', { delay: 100 * 365 * 86_400_000 }],
    ['delay', { delay: '5' }],
    ['dealy', { dealy: 5 }],
    ['options', null],
    ['runAt', { runAt: new Date('2026-02-30T24:01:00Z') }],
    ['runAt', { runAt: '2026-01-01' }],
    ['expiresAt', { expiresAt: new Date(Number.NaN) }],
    ['id', { id: '' }],
    ['key', { key: {} }],
    ['dedupe.key', { dedupe: '' }],
    ['dedupe.window', { dedupe: { key: 'k', window: Number.NaN } }],
    ['attempts', { attempts: Number.POSITIVE_INFINITY }],
    ['backoff.delay', { backoff: { delay: -1 } }],
    ['backoff.delayMs', { backoff: { delayMs: 5 } }],
    ['backoff.jitter', { backoff: { jitter: 0.5 } }],
    ['backoff', { backoff: null }],
    ['metadata', { metadata: 'me' }],
  ])('10, 13, 14, 16: refuses "%s" of one task', async (path, options) => {
    const { millrace, settle } = openShop()
    const call = settle(millrace.enqueue(Anything, 1, options as never))
    await expect(call).rejects.toMatchObject({ code: 'task_options_invalid', path })
  })

  it(
    '14: a delay that overflows timers waits, what is past runs at once, and neither is lost',
    { timeout: 120_000 },
    async () => {
      const { millrace, settle, runtime } = openShop()
      const ran: unknown[] = []
      await settle(millrace.work(Anything, (input) => void ran.push(input)))
      const late = await settle(millrace.enqueue(Anything, 'late', { delay: 2 ** 31 }))
      await settle((await settle(millrace.enqueue(Anything, 'past', { runAt: new Date(0) }))).result())
      await runtime.advance(86_400_000)
      expect(ran).toEqual(['past'])
      expect(await settle(millrace.tasks.get(late.id))).toMatchObject({ state: 'delayed' })
      const gone = await settle(millrace.enqueue(Anything, 'gone', { expiresAt: new Date(0) }))
      expect(await ended(settle(gone.result()))).toBe('task_expired')
    },
  )

  it('13: what expires in thousands of years can be looked at, and what is declared so is refused', async () => {
    const { millrace, settle } = openShop()
    const { id } = await settle(millrace.enqueue(Anything, 1, { expiresAt: new Date(8.64e15) }))
    expect((await settle(millrace.tasks.get(id))).expiresAt).toMatch(/^203\d-/)
    expect(() => defineTask('late', { expiresAfter: Number.MAX_SAFE_INTEGER })).toThrow(/from 1 to 315576000000/)
  })

  it('13: a schedule ends with what RFC 3339 can say', async () => {
    const { millrace, settle } = openShop()
    const from = new Date('9999-12-31T23:59:50Z')
    await settle(millrace.schedules.put('last', { every: 7_000, from }, { task: Anything }))
    expect(await settle(millrace.schedules.next('last', 5))).toEqual([
      '9999-12-31T23:59:50.000Z',
      '9999-12-31T23:59:57.000Z',
    ])
  })

  it('18: metadata that headers could not carry', async () => {
    const { millrace, settle } = openShop()
    const many = Object.fromEntries(Array.from({ length: 10_001 }, (_, at) => [`k${at}`, 'v']))
    const wrong = [
      [{ userId: 'a\r\nset-cookie: b' }, 'event_malformed'],
      [{ traceparent: '00-x' }, 'event_malformed'],
      [{ extensions: { 'content-length': '5' } }, 'event_malformed'],
      [{ extensions: many }, 'limit_exceeded'],
    ] as const
    const calls = wrong.map(([metadata]) => millrace.enqueue(Anything, 1, { metadata }))
    expect(codes(await settle(Promise.allSettled(calls)))).toEqual(wrong.map(([, code]) => code))
  })

  it.each([
    ['a step of nothing', { cron: '*/0 * * * *' }, 'cron'],
    ['a thousand fields', { cron: '* '.repeat(1_000) }, 'cron'],
    ['seven fields', { cron: '0 0 0 1 1 * 2030' }, 'cron'],
    ['the 31st of February', { cron: '0 0 31 2 *' }, 'rule'],
    ['minute 60', { cron: '60 * * * *' }, 'cron'],
    ['a range backwards', { cron: '5-1 * * * *' }, 'cron'],
    ['a zone that is a number', { cron: '0 0 * * *', timeZone: 5 }, 'timeZone'],
    ['no rule', null, 'rule'],
    ['a beginning that RFC 3339 cannot say', { every: 1_000, from: new Date(8.64e15) }, 'from'],
    ['a moment that RFC 3339 cannot say', { at: new Date(8.64e15) }, 'at'],
  ])('15: refuses a schedule with %s', async (_what, rule, path) => {
    const { millrace, settle } = openShop()
    const put = settle(millrace.schedules.put('s', rule as never, { task: Anything }))
    await expect(put).rejects.toMatchObject({ code: 'schedule_invalid', path })
  })

  it('15, 68: refuses options of a schedule that cannot be meant', async () => {
    const { millrace, settle } = openShop()
    const every = { every: 60_000 }
    const wrong: readonly (readonly [unknown, string])[] = [
      [null, 'schedule_invalid'],
      [{ task: Anything, missed: 'twice' }, 'schedule_invalid'],
      [{ task: Anything, overlap: false }, 'schedule_invalid'],
      [{ task: Anything, noOverlap: 'yes' }, 'schedule_invalid'],
      [{ task: Anything, limit: 0 }, 'schedule_invalid'],
      [{ task: Anything, starts: new Date(8.64e15) }, 'schedule_invalid'],
      [{ task: Anything, ends: new Date(Number.NaN) }, 'schedule_invalid'],
      [{ task: Anything, options: { delay: 5 } }, 'schedule_invalid'],
      [{ task: Anything, options: { priority: 1e9 } }, 'task_options_invalid'],
      [{ task: Counted, input: { n: 'x' } }, 'task_input_invalid'],
      [{ task: 'A B' }, 'event_name_invalid'],
    ]
    const puts = wrong.map(([options]) => millrace.schedules.put('s', every, options as never))
    expect(codes(await settle(Promise.allSettled(puts)))).toEqual(wrong.map(([, code]) => code))
    expect(await settle(millrace.schedules.list())).toEqual([])
  })
})

describe('filters and waiting', () => {
  it('57, 71: a condition that is misspelt is refused, and changes nothing', async () => {
    const { millrace, settle } = openShop()
    await settle(millrace.enqueue(Anything, 1, { delay: 60_000 }))
    const { tasks } = millrace
    const wrong: readonly (readonly [unknown, string])[] = [
      [{ quue: 'any.thing' }, 'quue'],
      [null, 'filter'],
      ['any.thing', 'filter'],
      [{ states: 'delayed' }, 'states'],
      [{ states: ['asleep'] }, 'states'],
      [{ limit: 1e9 }, 'limit'],
      [{ since: '2026-01-01' }, 'since'],
    ]
    for (const [filter, path] of wrong) {
      await expect(settle(tasks.cancel(filter as never))).rejects.toMatchObject({ code: 'request_invalid', path })
      await expect(settle(tasks.discard(filter as never))).rejects.toMatchObject({ code: 'request_invalid', path })
    }
    await expect(settle(tasks.postpone([], Number.NaN))).rejects.toMatchObject({ path: 'delay' })
    await expect(settle(tasks.prioritise([], 'hihg' as never))).rejects.toMatchObject({ path: 'priority' })
    expect((await settle(tasks.list())).map(({ state }) => state)).toEqual(['delayed'])
  })

  it.each([[-1], [Number.NaN], ['5'], [null]])('14: a result cannot be waited for %s ms', async (timeout) => {
    const { millrace, settle } = openShop()
    const { result } = await settle(millrace.enqueue(Anything, 1))
    const waiting = settle(result({ timeout: timeout as never }))
    await expect(waiting).rejects.toMatchObject({ code: 'task_options_invalid', path: 'timeout' })
  })

  it('23, 26: nothing is enqueued after a signal has fired or while it closes, and that is said', async () => {
    const { millrace, settle } = openShop()
    expect(await ended(settle(millrace.enqueue(Anything, 1, { signal: AbortSignal.abort() })))).toBe('aborted')
    const { result } = await settle(millrace.enqueue(Anything, 2))
    expect(await ended(settle(result({ signal: AbortSignal.abort() })))).toBe('aborted')
    const waiting = ended(settle(result({ timeout: 0 })))
    const closing = millrace.close({ timeoutMs: 10 })
    const late = ended(millrace.enqueue(Anything, 3))
    await settle(closing)
    expect(await settle(Promise.all([late, waiting, ended(millrace.work(Counted, () => 1))]))).toEqual([
      'closed',
      'closed',
      'closed',
    ])
  })

  it('24: what is no transaction is refused', async () => {
    const { millrace, settle } = openShop()
    expect(await ended(settle(millrace.enqueue(Anything, 1, { tx: null } as never)))).toBe('transaction_invalid')
    expect(await ended(settle(millrace.enqueue(Anything, 1, { tx: {} })))).toBe('capability_missing')
  })
})

describe('handlers', () => {
  it('64: that throw, log or report halves of characters leave whole texts, and lose nothing that others say', async () => {
    const { millrace, settle, errors } = openShop()
    const half = 'a\ud83d'
    const Odd = defineTask('odd', { input: z.enum(['throw', 'reject', 'cut', 'tell', 'plain']), attempts: 1 })
    await settle(
      millrace.work(Odd, (how, task) => {
        if (how === 'throw') throw new Error(half)
        if (how === 'reject') return task.reject(half)
        if (how === 'cut') return task.reject(`${'x'.repeat(4_095)}\u{1f600}`)
        task.log(how === 'tell' ? half : how)
        task.progress({ done: -0, total: 1, stage: how === 'tell' ? half : how, message: half })
        return how
      }),
    )
    const handles = await settle(millrace.enqueueMany(Odd, ['throw', 'reject', 'cut', 'tell', 'plain']))
    await settle(Promise.allSettled(handles.map((handle) => handle.result())))
    const views = await settle(Promise.all(handles.map(({ id }) => millrace.tasks.get(id))))
    expect(views.map(({ error }) => error?.message.slice(-2))).toEqual([
      'a\ufffd',
      'a\ufffd',
      'x\ufffd',
      undefined,
      undefined,
    ])
    const logs = await settle(Promise.all(handles.map(({ id }) => millrace.tasks.logs(id))))
    expect(logs).toEqual([[], [], [], ['a\ufffd'], ['plain']])
    expect(views.map(({ progress }) => progress?.stage)).toEqual([undefined, undefined, undefined, 'a\ufffd', 'plain'])
    expect(Object.is(views[3]?.progress?.done, 0)).toBe(true)
    expect(errors).toEqual([])
  })

  const circular = new Error('circular')
  circular.cause = circular
  it.each([
    ['null', null],
    ['undefined', undefined],
    ['a text', 'plain'],
    ['a frozen error', Object.freeze(new Error('frozen'))],
    ['a circular cause', circular],
    ['ten million characters', new Error('x'.repeat(10_000_000))],
    ['markup and escapes', new Error('<img src=x onerror=alert(1)>\u001b[2J\r\nGET / HTTP/1.1')],
    ['an object that throws', { get message(): string { throw new Error('no') } }], // prettier-ignore
  ])('27, 64: that throw %s', async (_what, thrown) => {
    const { millrace, settle } = openShop()
    await settle(
      millrace.work(Anything, () => {
        throw thrown
      }),
    )
    const { id, result } = await settle(millrace.enqueue(Anything, 1))
    expect(await ended(settle(result()))).toBe('task_failed')
    const { error } = await settle(millrace.tasks.get(id))
    expect(error?.message.length).toBeLessThanOrEqual(8_192)
    expect(await settle(millrace.deadLetters.list())).toHaveLength(1)
  })

  it('27: that never settle free their slot when their time is up, and others go on', async () => {
    const { millrace, settle } = openShop()
    const Slow = defineTask('slow', { input: z.boolean(), timeout: 1_000, attempts: 1 })
    const worker = await settle(
      millrace.work(Slow, (hangs) => (hangs ? new Promise(() => {}) : 'done'), { concurrency: 1 }),
    )
    const [hung, next] = await settle(millrace.enqueueMany(Slow, [true, false]))
    expect(await ended(settle(hung?.result() ?? Promise.resolve()))).toBe('task_timeout')
    expect(await settle(next?.result() ?? Promise.resolve())).toBe('done')
    expect(worker.status.abandoned).toBe(1)
  })

  it('27: whose rules throw or give no time still retry, and a thenable is waited for', async () => {
    const { millrace, settle } = openShop()
    const no = (): never => {
      throw new Error('rule')
    }
    const Odd = defineTask('odd', { input: z.number(), attempts: 2, backoff: no, retryIf: no })
    await settle(
      millrace.work(Odd, (_input, { attempt }) => {
        if (attempt === 1) throw new Error('first')
        // oxlint-disable-next-line unicorn/no-thenable -- what a handler may give by mistake
        return { then: (resolve: (value: string) => void) => resolve('second') }
      }),
    )
    expect(await settle((await settle(millrace.enqueue(Odd, 1))).result())).toBe('second')
  })

  it('27: whose rules give promises that fail still retry, and no rejection is left over', async () => {
    const { millrace, settle } = openShop()
    const late = (): never => Promise.reject(new Error('late')) as never
    const Odd = defineTask('odd', { input: z.number(), attempts: 2, backoff: late, retryIf: late })
    const left: unknown[] = []
    const hear = (reason: unknown): void => void left.push(reason)
    process.on('unhandledRejection', hear)
    onTestFinished(() => void process.off('unhandledRejection', hear))
    await settle(
      millrace.work(Odd, (_input, { attempt }) => {
        if (attempt === 1) throw new Error('first')
        return 'second'
      }),
    )
    expect(await settle((await settle(millrace.enqueue(Odd, 1))).result())).toBe('second')
    await new Promise(setImmediate)
    expect(left).toEqual([])
  })

  it.each([
    ['a function', () => 1],
    ['a circle', [] as unknown[]],
    ['-0 inside', { n: -0 }],
    ['more than the limit', 'x'.repeat(300_000)],
    ['a poisonous key', JSON.parse('{"__proto__":1}') as unknown],
  ])('67: that return %s make their task dead, once', async (_what, output) => {
    if (Array.isArray(output)) output.push(output)
    const { millrace, settle } = openShop()
    let runs = 0
    const Giving = defineTask('giving', { attempts: 5 })
    await settle(
      millrace.work(Giving, () => {
        runs += 1
        return output
      }),
    )
    expect(await ended(settle((await settle(millrace.enqueue(Giving))).result()))).toBe('task_output_invalid')
    expect(runs).toBe(1)
  })

  it('28: that settle twice, answer too many, or go on after their time count once', async () => {
    const { millrace, settle, runtime } = openShop()
    const Late = defineTask('late', { timeout: 1_000, attempts: 1 })
    let goOn = (_output: unknown): void => {}
    let context: { progress(report: object): void; log(line: string): void } | undefined
    await settle(
      millrace.work(Late, (_input, task) => {
        context = task
        return new Promise<unknown>((resolve) => (goOn = resolve))
      }),
    )
    const late = await settle(millrace.enqueue(Late))
    expect(await ended(settle(late.result()))).toBe('task_timeout')
    goOn('too late')
    goOn('again')
    context?.progress({ done: 1, total: 1 })
    context?.log('too late')
    await runtime.advance(5_000)
    const view: TaskView = await settle(millrace.tasks.get(late.id))
    expect([view.state, view.output, view.progress, await settle(millrace.tasks.logs(late.id))]).toEqual([
      'dead',
      undefined,
      undefined,
      [],
    ])
    await settle(
      millrace.work(Anything, (batch) => [...batch, undefined].map(() => done(1)), { batch: { size: 5, waitMs: 0 } }),
    )
    const handle = await settle(millrace.enqueue(Anything, 1))
    await expect(settle(handle.result())).rejects.toMatchObject({
      message: expect.stringContaining('2 results for 1 tasks') as unknown,
    })
  })

  it('27: progress of nonsense never fails a task and never shows nonsense', async () => {
    const { millrace, settle } = openShop()
    await settle(
      millrace.work(Anything, (_input, task) => {
        task.progress({ done: 5, total: 10, stage: 'a' })
        const reports = [
          ...[{ done: Number.NaN }, { done: -5 }, { done: 1 }, { total: Number.POSITIVE_INFINITY }, { done: 'x' }],
          ...[null, 7, { stage: 5 }, { message: 'm'.repeat(100_000) }, { total: -1, done: 2 ** 60 }],
        ]
        for (const report of reports) task.progress(report as never)
        const unreadable = {
          get done(): number {
            throw new Error('unreadable')
          },
        }
        task.progress(unreadable)
        task.log(undefined as never)
        task.log(Object.create(null) as never)
        return 'fine'
      }),
    )
    const { id, result } = await settle(millrace.enqueue(Anything, 1))
    expect(await settle(result())).toBe('fine')
    const progress = await settle(millrace.tasks.progress(id))
    expect(progress).toMatchObject({ done: 10, total: 10, percent: 100, stage: 'a' })
    expect(progress?.message).toHaveLength(1_024)
  })

  it('30: that enqueue themselves go on for ever, and say in whose wake they run', async () => {
    const { millrace, settle, runtime } = openShop()
    let runs = 0
    const Again = defineTask('again', { input: z.number() })
    await settle(
      millrace.work(Again, async (round, task) => {
        runs += 1
        expect(round === 0 || task.metadata.causationId !== undefined).toBe(true)
        if (round < 200) await millrace.enqueue(Again, round + 1)
      }),
    )
    const { id } = await settle(millrace.enqueue(Again, 0))
    await runtime.advanceUntil(() => runs === 201, { withinMs: 3_600_000 })
    const all = await settle(millrace.tasks.list({ name: 'again', limit: 500 }))
    expect(new Set(all.map(({ metadata }) => metadata.correlationId))).toEqual(new Set([id]))
  })
})

describe('flows, dead tasks and schedules', () => {
  it('67: trees that are none', async () => {
    const shop = openShop()
    const { millrace, settle } = shop
    const leaf = { task: Anything, input: 1 }
    const circle: { task: typeof Anything; input: number; children: unknown[] } = { ...leaf, children: [] }
    circle.children.push(circle)
    const wrong: readonly (readonly [unknown, string])[] = [
      [circle, 'limit_exceeded'],
      [{ ...leaf, children: Array.from({ length: 1_000 }, () => leaf) }, 'limit_exceeded'],
      [{ ...leaf, children: [null] }, 'task_options_invalid'],
      [{ ...leaf, children: 5 }, 'task_options_invalid'],
      [null, 'task_options_invalid'],
      [{ ...leaf, onChildFailure: 'ignore' }, 'task_options_invalid'],
      [{ ...leaf, options: { id: 'z' }, children: [{ ...leaf, options: { id: 'z' } }] }, 'task_options_invalid'],
      [{ ...leaf, children: [{ task: Counted, input: { n: 'x' } }] }, 'task_input_invalid'],
    ]
    const calls = wrong.map(([flow]) => millrace.enqueueFlow(flow as never))
    expect(codes(await settle(Promise.allSettled(calls)))).toEqual(wrong.map(([, code]) => code))
    expect(await inputs(shop)).toEqual([])
  })

  it('62, 63: a dead task is requeued once, and edits that are wrong change nothing', async () => {
    const { millrace, settle } = openShop()
    const { deadLetters, tasks } = millrace
    const fail = (): never => {
      throw new Error('always')
    }
    const workers = await settle(Promise.all([millrace.work(Counted, fail), millrace.work(Anything, fail)]))
    for (const handle of [
      await settle(millrace.enqueue(Counted, { n: 1 })),
      await settle(millrace.enqueue(Anything, 0)),
    ])
      await ended(settle(handle.result()))
    await settle(Promise.all(workers.map((worker) => worker.stop())))
    const letters = await settle(deadLetters.list())
    const idOf = (topic: string): string => letters.find((letter) => letter.topic === topic)?.id ?? ''
    const id = idOf('counted')
    const wrong: readonly (readonly [string, unknown, string])[] = [
      [id, { n: 'x' }, 'task_input_invalid'],
      [id, 1n, 'task_input_invalid'],
      [idOf('any.thing'), JSON.parse('{"__proto__":{}}'), 'event_forbidden_key'],
      [idOf('any.thing'), 'x'.repeat(300_000), 'limit_exceeded'],
      ['task:nobody', 1, 'dead_letter_unknown'],
    ]
    for (const [letter, data, code] of wrong) expect(await ended(settle(deadLetters.edit(letter, data)))).toBe(code)
    expect((await settle(tasks.list())).map(({ state }) => state)).toEqual(['dead', 'dead'])
    const both = await settle(Promise.all([deadLetters.requeue([id]), deadLetters.requeue([id])]))
    expect(both.flatMap(({ ids }) => ids)).toEqual([id])
    expect(await ended(settle(deadLetters.edit(id, { n: 2 })))).toBe('dead_letter_unknown')
    expect((await settle(deadLetters.discard([id]))).ids).toEqual([])
    expect(await settle(tasks.list({ states: ['ready'] }))).toHaveLength(1)
  })

  it('68: schedules that two put at once, whose task is not known, or whose queue is gone', async () => {
    const { millrace, settle, another, runtime } = openShop()
    const other = another()
    const put = (each: typeof millrace, every: number): Promise<unknown> =>
      each.schedules.put('one', { every }, { task: 'nobody.knows', input: { n: 1 } })
    await settle(Promise.all([put(millrace, 60_000), put(other, 120_000)]))
    expect(await settle(millrace.schedules.list())).toHaveLength(1)
    await runtime.advance(130_000)
    const [first] = await settle(millrace.tasks.list({ name: 'nobody.knows' }))
    expect(first).toMatchObject({ state: 'ready', input: { n: 1 } })
    expect((await settle(millrace.tasks.explain(first?.id ?? ''))).reasons.map(({ kind }) => kind)).toContain(
      'no-worker',
    )
  })

  it('68: a hundred thousand instants that were missed come to one task, and no storm', async () => {
    const { millrace, settle, another, runtime } = openShop()
    const first = another()
    await settle(first.schedules.put('often', { every: 1_000 }, { task: Anything, input: 1, missed: 'once' }))
    await settle(first.close({ timeoutMs: 1_000 }))
    const before = (await settle(millrace.tasks.list({ limit: 1_000 }))).length
    await runtime.advance(100_000_000)
    await settle(millrace.schedules.put('often', { every: 1_000 }, { task: Anything, input: 1, missed: 'once' }))
    await runtime.advance(500)
    const added = (await settle(millrace.tasks.list({ limit: 1_000 }))).length - before
    expect(added).toBeGreaterThanOrEqual(1)
    expect(added).toBeLessThanOrEqual(2)
  })
})
