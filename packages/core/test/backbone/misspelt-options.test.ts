import { expect, it } from 'vitest'
import { z } from 'zod'
import { createEventClient, createMillrace, defineEvent, defineTask, reject } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'
import { until } from '../until.ts'
import { start } from './backbones.ts'
import { OrderPlaced } from './order-placed.ts'

const schema = z.object({ orderId: z.string() })

/** As JavaScript, or a spread of settings, would hand them over: without the types in the way. */
const wrong = (options: object): never => options as never

it('an option of createMillrace that is none is refused', () => {
  expect(() => createMillrace(wrong({ engine: memory(), leasMs: 5 }))).toThrow(
    expect.objectContaining({ code: 'config_invalid', path: 'leasMs' }),
  )
  expect(() => createMillrace(undefined as never)).toThrow(expect.objectContaining({ code: 'config_invalid' }))
})

it.each([
  [{ durability: { atLeast: 'fsnc' } }, 'durability.atLeast'],
  [{ durability: 'fsync' }, 'durability'],
  [{ durability: { least: 'fsync' } }, 'durability.least'],
  [{ topics: { order: { partitons: 4 } } }, 'topics.order.partitons'],
  [{ topics: { order: { retention: { maxAge: 5 } } } }, 'topics.order.retention.maxAge'],
  [{ leaseMs: '5s' }, 'leaseMs'],
  [{ maxPending: 0 }, 'maxPending'],
  [{ publishTimeoutMs: Number.NaN }, 'publishTimeoutMs'],
  [{ middleware: () => {} }, 'middleware'],
  [{ events: { OrderPlaced } }, 'events'],
  [{ runtime: { log: console } }, 'runtime'],
  [{ name: 'My shop' }, 'name'],
])('createMillrace with %o is refused', (options, path) => {
  expect(() => createMillrace(wrong({ engine: memory(), ...options }))).toThrow(expect.objectContaining({ path }))
})

it.each([
  ['a URL', 'postgres://ann:secret@localhost/app'],
  ['the function of an engine', memory],
  ['an object', {}],
])('%s in place of an engine is refused, and not shown', (_what, engine) => {
  const create = (): unknown => createMillrace({ engine: engine as never })
  expect(create).toThrow(expect.objectContaining({ code: 'config_invalid', path: 'engine' }))
  expect(create).toThrow(/^(?!.*secret)/)
})

it('a logger in place of the log of record says where loggers go', () => {
  const log = { info() {}, warn() {}, error() {}, debug() {} }
  expect(() => createMillrace(wrong({ transport: memory(), store: memory(), log }))).toThrow(/systemRuntime/)
})

it('the typed client refuses a list of definitions and options that are none', () => {
  const refused = expect.objectContaining({ code: 'config_invalid' })
  expect(() => createEventClient([OrderPlaced] as never, { engine: memory() })).toThrow(refused)
  expect(() => createEventClient({ OrderPlaced }, wrong({ engine: memory(), spol: memory() }))).toThrow(refused)
  expect(() => createEventClient({ OrderPlaced }, { engine: memory(), spool: './spool.db' as never })).toThrow(refused)
})

it('a key that is misspelt in a definition is refused, for the order would be gone', () => {
  expect(() => defineEvent('order.placed', wrong({ schema, kye: () => 'a' }))).toThrow(
    expect.objectContaining({ code: 'event_definition_invalid', path: 'kye' }),
  )
  expect(() => defineEvent('order.placed', undefined as never)).toThrow(
    expect.objectContaining({ code: 'event_definition_invalid' }),
  )
})

it('an option of an event that is none is refused', async () => {
  const millrace = start()
  const refused = { code: 'event_malformed', path: 'ky' }
  await expect(millrace.publish(OrderPlaced, { orderId: 'a' }, wrong({ ky: 'b' }))).rejects.toMatchObject(refused)
  expect(() => OrderPlaced.create({ orderId: 'a' }, wrong({ ky: 'b' }))).toThrow(expect.objectContaining(refused))
})

it.each([
  [{ group: 'g', retries: 3 }, 'retries'],
  [{ group: 'g', retry: { attempt: 3 } }, 'retry.attempt'],
  [{ group: 'g', retry: { backoff: { delay: 3 } } }, 'retry.backoff.delay'],
  [{ group: 'g', from: 'begining' }, 'from'],
  [{ group: 'g', from: { cursor: 'x' } }, 'from'],
  [{}, 'group'],
  [undefined, 'options'],
])('a subscription with %j is refused', async (options, path) => {
  const millrace = start()
  await expect(millrace.subscribe(OrderPlaced, () => {}, options as never)).rejects.toMatchObject({
    code: 'subscription_invalid',
    path,
  })
})

it('a filter of dead letters that is misspelt takes none of them, neither events nor tasks', async () => {
  const millrace = start()
  const Task = defineTask('t.x', { attempts: 1 })
  await millrace.subscribe(OrderPlaced, () => reject('no'), { group: 'g' })
  await millrace.work(Task, (_input, task) => task.reject('no'))
  await millrace.publish(OrderPlaced, { orderId: 'a' })
  await millrace.enqueue(Task)
  await until(async () => (await millrace.deadLetters.list()).length === 2)
  const refused = { code: 'request_invalid', path: 'grup' }
  const { deadLetters } = millrace
  for (const filter of [{ grup: 'other' }, { grup: 'x', group: 'queue:t.x' }].map(wrong)) {
    await expect(deadLetters.discard(filter)).rejects.toMatchObject(refused)
    await expect(deadLetters.requeue(filter)).rejects.toMatchObject(refused)
    await expect(deadLetters.list(filter)).rejects.toMatchObject(refused)
    await expect(deadLetters.counts(filter)).rejects.toMatchObject(refused)
  }
  await expect(deadLetters.discard('all', wrong({ dryrun: true }))).rejects.toMatchObject({ path: 'dryrun' })
  await expect(deadLetters.discard('all', wrong({ dryRun: null }))).rejects.toMatchObject({ path: 'dryRun' })
  await expect(deadLetters.discard(undefined as never)).rejects.toMatchObject({ code: 'request_invalid' })
  expect(await deadLetters.list()).toHaveLength(2)
})

it('an empty filter takes nothing: all of them is a word', async () => {
  const millrace = start()
  const Task = defineTask('t.x')
  const { id } = await millrace.enqueue(Task, undefined, { delay: 60_000 })
  const empty = { code: 'request_invalid', path: 'filter' }
  for (const filter of [{}, { queue: undefined }].map(wrong)) {
    await expect(millrace.tasks.cancel(filter)).rejects.toMatchObject(empty)
    await expect(millrace.tasks.discard(filter)).rejects.toMatchObject(empty)
    await expect(millrace.deadLetters.requeue(filter)).rejects.toMatchObject(empty)
    await expect(millrace.deadLetters.discard(filter)).rejects.toMatchObject(empty)
  }
  expect(await millrace.tasks.cancel('all')).toEqual({ ids: [id], dryRun: false })
  expect(await millrace.tasks.discard('all')).toEqual({ ids: [id], dryRun: false })
})

const REPLAYS = [
  { group: 'g', from: 'begining' },
  { group: 'g', from: 'earliest', keys: 'a' },
  { group: 'g', from: 'earliest', dryRun: null },
  { group: 'g' },
  undefined,
]

it.each(REPLAYS)('a replay with %j is refused', async (options) => {
  const millrace = start()
  await millrace.subscribe(OrderPlaced, () => {}, { group: 'g' })
  await expect(millrace.replay(options as never)).rejects.toMatchObject({ code: 'replay_invalid' })
})

it('reading, following and waiting refuse conditions that are none', async () => {
  const millrace = start()
  const refused = { code: 'request_invalid', path: 'tpics' }
  await expect(millrace.read(wrong({ tpics: [] }))).rejects.toMatchObject(refused)
  await expect(
    millrace
      .follow(wrong({ tpics: [] }))
      [Symbol.asyncIterator]()
      .next(),
  ).rejects.toMatchObject(refused)
  await expect(millrace.waitFor(OrderPlaced, wrong({ correlationId: 'a', tpics: [] }))).rejects.toMatchObject(refused)
  await expect(millrace.waitFor(OrderPlaced, wrong({}))).rejects.toMatchObject({ path: 'correlationId' })
  await expect(millrace.request(OrderPlaced, { orderId: 'a' }, wrong({}))).rejects.toMatchObject({ path: 'reply' })
})

it('a dry run that is misspelt cancels nothing', async () => {
  const millrace = start()
  const { id } = await millrace.enqueue(defineTask('t.x'))
  await expect(millrace.tasks.cancel('all', wrong({ dryrun: true }))).rejects.toMatchObject({ path: 'dryrun' })
  expect((await millrace.tasks.get(id)).state).toBe('ready')
})

it.each<object>([{ mdoe: 'sync' }, { limits: { concurency: 1 } }, { circuit: { failure: 1 } }])(
  'an operation with %j is refused',
  (options) => {
    const Task = defineTask('t.x')
    const define = (): unknown => start().operation('o', { task: Task, run: () => undefined, ...options })
    expect(define).toThrow(expect.objectContaining({ code: 'operation_invalid' }))
  },
)
