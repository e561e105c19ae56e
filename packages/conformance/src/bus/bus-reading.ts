import assert from 'node:assert/strict'
import { defineEvent } from '@millrace/core'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import type { Property } from '../property.ts'
import { handledAll, keysInTurn, publishSteps, record, settledAll, startBus, StepTaken } from './bench-bus.ts'

/** Envelopes, filters, replay and starts, through the whole bus. */
export const busReadingProperties: readonly Property[] = [
  { id: '01 bus: a handler sees the event as it was published', run: envelope },
  { id: '37 bus: replay shows a range to one group again', needs: ['read'], run: replay },
  { id: '38 bus: a new group starts where it was told to', run: starts },
  { id: '45 bus: a pattern selects the same events everywhere', needs: ['read'], run: patterns },
  { id: '47 bus: correlation and cause go on through handlers and dead letters', run: correlation },
]

const anything = {
  '~standard': { version: 1, vendor: 'conformance', validate: (value: unknown) => ({ value }) },
} as const

async function envelope(context: Context): Promise<void> {
  const bus = startBus(context)
  const event = bus.create(
    StepTaken,
    { key: 'ключ 🏭', number: -0.5 },
    {
      id: 'given-id',
      source: 'urn:somebody:else',
      subject: 'Bestellung/ä',
      timestamp: '2026-01-02T03:04:05.006Z',
      correlationId: 'flow',
      causationId: 'cause',
      userId: 'user',
      sessionId: 'session',
      tenantId: 'tenant',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: 'vendor=value',
      extensions: { shade: 'green', count: 7, flag: true },
    },
  )
  let seen: unknown
  await bus.subscribe(StepTaken, (got) => void (seen = structuredClone(got)), { group: 'g', from: 'earliest' })
  await bus.publish(event)
  await eventually('it is handled', () => seen)
  const {
    topic: _topic,
    partition: _partition,
    position: _position,
    recordedAt: _recorded,
    ...message
  } = {
    topic: '',
    partition: 0,
    position: '',
    recordedAt: '',
    ...(seen as object),
  }
  assert.deepEqual(message, { ...event })
  const [found] = await bus.find('given-id', 'urn:somebody:else')
  assert.deepEqual(found?.metadata, event.metadata)
}

async function replay(context: Context): Promise<void> {
  const bus = startBus(context)
  const seen = await record(bus, { group: 'again' })
  const other = await record(bus, { group: 'other' })
  const first = await publishSteps(bus, keysInTurn(30, 5))
  await handledAll(seen, 30)
  await handledAll(other, 30)
  const [boundary] = (await bus.read({ backwards: true, limit: 1 })).events
  assert.ok(boundary)
  const from = await eventually('the clock moves on', () => {
    const now = new Date()
    return now.toISOString() > boundary.recordedAt ? now : undefined
  })
  await publishSteps(bus, keysInTurn(20, 5), 30)
  await handledAll(seen, 50)
  const dry = await bus.replay({ group: 'again', from: 'earliest', to: from, dryRun: true })
  assert.deepEqual(dry, { matched: 30, replayed: 0, dryRun: true })
  const done = await bus.replay({ group: 'again', from: 'earliest', to: from })
  assert.equal(done.replayed, 30)
  await eventually('all of the range came again', () => seen.done.length === 80)
  await settledAll(bus, 'again')
  assert.deepEqual(
    seen.done
      .slice(50)
      .map(({ id }) => id)
      .toSorted(),
    first.map(({ id }) => id).toSorted(),
  )
  await handledAll(other, 50)
  await settledAll(bus, 'other')
  assert.equal(other.started.length, 50, 'the other group sees nothing of it')
  const future = new Date(Date.now() + 3_600_000)
  assert.equal(
    (await bus.replay({ group: 'again', from: future, to: future, dryRun: true }).catch(() => ({ matched: 0 })))
      .matched,
    0,
  )
}

async function starts(context: Context): Promise<void> {
  const bus = startBus(context)
  await publishSteps(bus, keysInTurn(10, 3))
  const earliest = await record(bus, { group: 'earliest', from: 'earliest' })
  const latest = await record(bus, { group: 'latest', from: 'latest' })
  await Promise.all([earliest.subscription.ready, latest.subscription.ready])
  await publishSteps(bus, keysInTurn(5, 3), 10)
  await handledAll(earliest, 15)
  await handledAll(latest, 5)
  await settledAll(bus, 'latest')
  assert.ok(latest.started.every(({ number }) => number >= 10))
  await latest.subscription.stop()
  await publishSteps(bus, keysInTurn(4, 3), 15)
  const resumed = await record(bus, { group: 'latest', from: 'latest' })
  await handledAll(resumed, 4)
  assert.ok(
    resumed.started.every(({ number }) => number >= 15),
    'a group that exists goes on where it was',
  )
}

async function patterns(context: Context): Promise<void> {
  const { random } = context
  const words = ['a', 'b', 'ab', 'a-b']
  const makeType = (): string =>
    ['t', ...Array.from({ length: random.integer(1, 3) }, () => random.pick(words))].join('.')
  const types = [...new Set(Array.from({ length: 20 }, makeType))]
  const bus = startBus(context, { topics: { t: { partitions: 2 } } })
  for (const type of types) await bus.publish(defineEvent(type, { schema: anything }), {})
  const makePattern = (): string => {
    const parts = random.pick(types).split('.').slice(1)
    const starred = parts.map((part) => (random.chance(0.5) ? '*' : part))
    return ['t', ...(random.chance(0.3) ? [...starred.slice(0, -1), '**'] : starred)].join('.')
  }
  const chosen = new Set(['t.**', 't.*', ...Array.from({ length: 6 }, makePattern)])
  for (const [at, pattern] of [...chosen].entries()) {
    const expected = types.filter((type) => modelOf(pattern).test(type))
    const seen: string[] = []
    const group = `g${at}`
    await bus.subscribe(pattern, ({ type }) => void seen.push(type), { group, from: 'earliest' })
    await eventually(`${pattern} has matched`, () => seen.length >= expected.length)
    await settledAll(bus, group)
    assert.deepEqual(seen.toSorted(), expected.toSorted(), `the pattern ${pattern} over ${types.join(' ')}`)
  }
}

/** A star is one segment, two stars at the end are one or more. */
function modelOf(pattern: string): RegExp {
  const segments = pattern.split('.').map((segment) => {
    if (segment === '**') return '[^.]+(?:[.][^.]+)*'
    return segment === '*' ? '[^.]+' : segment
  })
  return new RegExp(`^${segments.join('[.]')}$`)
}

async function correlation(context: Context): Promise<void> {
  const Next = defineEvent('suite.next', { schema: anything })
  const bus = startBus(context)
  await bus.subscribe(StepTaken, async () => void (await bus.publish(Next, {})), { group: 'g', from: 'earliest' })
  await bus.subscribe(
    Next,
    () => {
      throw new Error('the end')
    },
    { group: 'end', from: 'earliest', retry: { attempts: 1 } },
  )
  const published = await bus.publish(StepTaken, { key: 'k', number: 1 }, { correlationId: 'flow', userId: 'user' })
  const letter = await eventually('the flow has ended', async () => (await bus.deadLetters.list({ group: 'end' }))[0])
  assert.equal(letter.event?.metadata.correlationId, 'flow')
  assert.equal(letter.event?.metadata.causationId, published.id)
  const flow = await bus.trace('flow')
  assert.deepEqual(
    flow.map(({ type }) => type),
    ['suite.step', 'suite.next'],
  )
}
