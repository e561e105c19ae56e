import assert from 'node:assert/strict'
import { reject, retry, type DeadLetterView, type Millrace } from '@millrace/core'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import type { Property } from '../property.ts'
import {
  handledAll,
  keysInTurn,
  MORTAL_LEASE_MS,
  publishSteps,
  record,
  settledAll,
  startBus,
  StepTaken,
} from './bench-bus.ts'
import { mortal } from './mortal-engine.ts'

/** Retries and dead letters, through the whole bus. */
export const busFailureProperties: readonly Property[] = [
  { id: '12 bus: a failed event comes again with the next attempt', run: retried },
  { id: '13 bus: a wished delay is waited for', run: delayed },
  { id: '14 bus: attempts survive a crash', needs: ['secondProcess'], run: attemptsSurvive },
  { id: '15 bus: the policy alone limits attempts', run: manyAttempts },
  { id: '16 bus: the last failed attempt makes one dead letter', run: deadLetter },
  { id: '17 bus: a dead letter keeps the event and the error', run: letterContent },
  { id: '18 bus: requeue hands the event back to its group only', run: requeue },
  { id: '19 bus: what a handler changes does not leak', run: mutationSafety },
  { id: '23 bus: a parked key waits for its dead letter, in order', needs: ['order'], run: parkedKey },
]

const QUICK = { first: 1, ceiling: 2 }

async function retried(context: Context): Promise<void> {
  const bus = startBus(context)
  const seen = await record(bus, { group: 'g', retry: { backoff: QUICK } }, ({ attempt }) => {
    if (attempt < 3) throw new Error('not yet')
  })
  await publishSteps(bus, ['k'])
  await handledAll(seen, 1)
  assert.deepEqual(
    seen.started.map(({ attempt }) => attempt),
    [1, 2, 3],
  )
  await settledAll(bus, 'g')
  assert.deepEqual(await bus.deadLetters.list(), [])
}

async function delayed(context: Context): Promise<void> {
  const bus = startBus(context)
  let firstAt = 0
  let again = 0
  const seen = await record(bus, { group: 'g', concurrency: 2 }, ({ key, attempt }) => {
    if (key !== 'late') return undefined
    if (attempt > 1) {
      again = performance.now()
      return undefined
    }
    firstAt = performance.now()
    return retry({ after: 150 })
  })
  await publishSteps(bus, ['late', 'other', 'other', 'other'])
  await eventually('the delayed event comes again', () => again > 0)
  await settledAll(bus, 'g')
  assert.ok(again - firstAt >= 145, `it came again after ${again - firstAt} ms instead of 150`)
  assert.equal(seen.started.filter(({ key }) => key === 'other').length, 3)
}

/** The wished delay is so long that the event goes into the side lane; nothing there is kept in memory alone. */
async function attemptsSurvive(context: Context): Promise<void> {
  const { engine, die, bury } = mortal(context.engine)
  const doomed = startBus(context, { engine, leaseMs: MORTAL_LEASE_MS })
  context.onEnd(bury)
  const before = await record(doomed, { group: 'g' }, () => retry({ after: 5_100 }))
  await publishSteps(doomed, ['k'])
  const watcher = startBus(context, { engine: await context.secondEngine(), leaseMs: MORTAL_LEASE_MS })
  await eventually('the failure is stored', async () => (await watcher.groups())[0]?.lane.waiting === 1)
  await die()
  const after = await record(watcher, { group: 'g' })
  await handledAll(after, 1)
  assert.deepEqual(
    [...before.started, ...after.started].map(({ attempt }) => attempt),
    [1, 2],
  )
}

async function manyAttempts(context: Context): Promise<void> {
  const bus = startBus(context)
  const options = { group: 'g', retry: { attempts: 50, backoff: { first: 0, ceiling: 0 } } }
  const seen = await record(bus, options, () => {
    throw new Error('never')
  })
  await publishSteps(bus, ['k'])
  const letter = await firstLetter(bus)
  assert.equal(letter.attempts, 50)
  assert.deepEqual(
    seen.started.map(({ attempt }) => attempt),
    Array.from({ length: 50 }, (_, at) => at + 1),
  )
}

async function deadLetter(context: Context): Promise<void> {
  const bus = startBus(context)
  const seen = await record(bus, { group: 'g', retry: { attempts: 3, backoff: QUICK } }, ({ number }) => {
    if (number % 10 === 3) throw new Error('cannot')
    return number % 10 === 7 ? reject('will not') : undefined
  })
  const events = await publishSteps(bus, keysInTurn(100, 7))
  await eventually('the dead letters are there', async () => (await bus.deadLetters.list()).length === 20)
  await settledAll(bus, 'g')
  const letters = await bus.deadLetters.list({ limit: 1_000 })
  assert.equal(letters.length, 20)
  const wanted = events.filter(({ data }) => [3, 7].includes(data.number % 10)).map(({ id }) => id)
  assert.deepEqual(letters.map(({ eventId }) => eventId).toSorted(), wanted.toSorted())
  assert.equal(seen.done.length, 90, 'the others are handled, and rejections are an outcome')
  for (const number of [3, 13]) assert.equal(seen.started.filter((each) => each.number === number).length, 3)
  for (const number of [7, 17]) assert.equal(seen.started.filter((each) => each.number === number).length, 1)
}

async function letterContent(context: Context): Promise<void> {
  const bus = startBus(context)
  await record(bus, { group: 'g', retry: { attempts: 2, backoff: QUICK } }, () => {
    throw new TypeError('too late: 🏭')
  })
  const published = await bus.publish(StepTaken, { key: 'k', number: 1 }, { subject: 'order/1', correlationId: 'flow' })
  const letter = await firstLetter(bus)
  assert.deepEqual([letter.group, letter.topic, letter.attempts], ['g', 'suite', 2])
  assert.deepEqual([letter.partition, letter.position], [published.partition, published.position])
  assert.match(letter.error.message, /too late: 🏭/)
  assert.match(letter.error.stack ?? '', /too late/)
  assert.ok(letter.firstFailedAt <= letter.lastFailedAt)
  const [stored] = await bus.find(published.id)
  assert.deepEqual(letter.event?.data, stored?.data)
  assert.deepEqual(letter.event?.metadata, stored?.metadata)
  assert.equal(letter.event?.subject, 'order/1')
  assert.equal(letter.event?.metadata.correlationId, 'flow')
}

async function requeue(context: Context): Promise<void> {
  const bus = startBus(context)
  let broken = true
  const seen = await record(bus, { group: 'g', retry: { attempts: 2, backoff: QUICK } }, () => {
    if (broken) throw new Error('broken')
  })
  const others = await record(bus, { group: 'others' })
  const [event] = await publishSteps(bus, ['k'])
  const letter = await firstLetter(bus)
  broken = false
  assert.deepEqual((await bus.deadLetters.requeue([letter.id], { dryRun: true })).ids, [letter.id])
  assert.equal((await bus.deadLetters.list()).length, 1, 'a dry run changes nothing')
  await Promise.all([bus.deadLetters.requeue([letter.id]), bus.deadLetters.requeue([letter.id])])
  await handledAll(seen, 1)
  await settledAll(bus, 'g')
  await publishSteps(bus, ['k'], 1)
  await handledAll(seen, 2)
  assert.deepEqual(
    seen.started.slice(2).map(({ id, attempt, number }) => [id === event?.id, attempt, number]),
    [
      [true, 1, 0],
      [false, 1, 1],
    ],
    'once, with its id, its attempts reset',
  )
  await handledAll(others, 2)
  assert.equal(others.started.length, 2, 'the other group sees nothing of it')
  assert.deepEqual(await bus.deadLetters.list(), [])
}

async function mutationSafety(context: Context): Promise<void> {
  const bus = startBus(context)
  const seen: unknown[] = []
  await bus.subscribe(
    StepTaken,
    (event) => {
      seen.push(structuredClone(event.data))
      try {
        Object.assign(event.data, { number: 99, planted: true })
      } catch {
        // A frozen event is as safe as a fresh one.
      }
      throw new Error('again')
    },
    { group: 'g', from: 'earliest', retry: { attempts: 3, backoff: QUICK } },
  )
  const other = await record(bus, { group: 'other' })
  await publishSteps(bus, ['k'], 7)
  const letter = await firstLetter(bus)
  const original = { key: 'k', number: 7 }
  assert.deepEqual(seen, [original, original, original])
  assert.deepEqual(letter.event?.data, original)
  await handledAll(other, 1)
  assert.equal(other.done[0]?.number, 7)
}

async function parkedKey(context: Context): Promise<void> {
  const bus = startBus(context)
  let broken = true
  const options = { group: 'g', onDeadLetter: 'park-key', retry: { attempts: 1 } } as const
  const seen = await record(bus, options, ({ number }) => {
    if (broken && number === 2) throw new Error('broken')
  })
  await publishSteps(bus, ['a', 'b', 'a', 'b', 'a', 'b', 'a'])
  const letter = await firstLetter(bus)
  await publishSteps(bus, ['a', 'b'], 7)
  await eventually('the other key has gone on and the rest is parked', async () => {
    const [group] = await bus.groups()
    return seen.done.filter(({ key }) => key === 'b').length === 4 && group?.lane.parked === 3
  })
  assert.deepEqual(numbersOf(seen.done, 'a'), [0], 'nothing of the key passes its dead letter')
  broken = false
  await bus.deadLetters.requeue([letter.id])
  await handledAll(seen, 9)
  await settledAll(bus, 'g')
  assert.deepEqual(numbersOf(seen.done, 'a'), [0, 2, 4, 6, 7], 'the requeued event first, then the parked in order')
  await publishSteps(bus, ['a'], 9)
  await handledAll(seen, 10)
}

function numbersOf(handled: readonly { readonly key: string; readonly number: number }[], key: string): number[] {
  return handled.filter((each) => each.key === key).map(({ number }) => number)
}

async function firstLetter(bus: Millrace): Promise<DeadLetterView> {
  return eventually('a dead letter is there', async () => (await bus.deadLetters.list())[0])
}
