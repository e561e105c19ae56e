import assert from 'node:assert/strict'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import type { Property } from '../property.ts'
import {
  handledAll,
  keysInTurn,
  numbersByKey,
  publishSteps,
  record,
  settledAll,
  startBus,
  StepTaken,
} from './bench-bus.ts'

/** What publishing in the caller's transaction and handling with an inbox must do, together. */
export const busTransactionProperties: readonly Property[] = [
  { id: '46 bus: a committed publish is handled, one that rolled back never', needs: ['callers'], run: commits },
  { id: '46 bus: order by key is the order of the commits', needs: ['callers', 'order'], run: order },
  { id: '46 bus: what was committed before a stop is published after it', needs: ['callers', 'restart'], run: stopped },
  { id: '46 bus: an effect happens once, whatever fails around it', needs: ['callers'], run: effects },
  { id: '46 bus: what a handler publishes in its transaction comes with its effects', needs: ['callers'], run: chain },
]

async function commits(context: Context): Promise<void> {
  const bus = startBus(context)
  await bus.start()
  const database = await context.callers()
  const undone = await database.begin()
  await bus.publish(StepTaken, { key: 'k', number: 1 }, { tx: undone.tx })
  await undone.rollback()
  const kept = await database.begin()
  await kept.mark('kept')
  const enlisted = await bus.publish(StepTaken, { key: 'k', number: 2 }, { tx: kept.tx })
  assert.equal(enlisted.outcome, 'enlisted')
  const events = [3, 4].map((number) => bus.create(StepTaken, { key: 'k', number }))
  assert.equal((await bus.publishBatch(events, { tx: kept.tx })).length, 2)
  await kept.commit()
  const seen = await record(bus, { group: 'g' })
  await handledAll(seen, 3)
  assert.deepEqual(numbersByKey(seen.done).get('k'), [2, 3, 4])
  assert.equal(seen.started[0]?.id, enlisted.id)
  assert.deepEqual(await database.marks(), ['kept'])
}

async function order(context: Context): Promise<void> {
  const bus = startBus(context)
  await bus.start()
  const database = await context.callers()
  const seen = await record(bus, { group: 'g' })
  const keys = keysInTurn(60, 5)
  for (const [number, key] of keys.entries()) {
    const transaction = await database.begin()
    await bus.publish(StepTaken, { key, number }, { tx: transaction.tx })
    await transaction.commit()
  }
  await handledAll(seen, keys.length)
  for (const [key, numbers] of numbersByKey(seen.done)) {
    assert.deepEqual(
      numbers,
      [...numbers].toSorted((a, b) => a - b),
      `the events of ${key} are in order`,
    )
  }
}

async function stopped(context: Context): Promise<void> {
  const bus = startBus(context, { relay: false })
  await bus.start()
  const database = await context.callers()
  const transaction = await database.begin()
  const { id } = await bus.publish(StepTaken, { key: 'k', number: 1 }, { tx: transaction.tx })
  await transaction.commit()
  await bus.close({ timeoutMs: 0 })
  await context.restart()
  const after = startBus(context)
  const seen = await record(after, { group: 'g' })
  await handledAll(seen, 1)
  assert.deepEqual(
    seen.done.map((each) => each.id),
    [id],
  )
}

async function effects(context: Context): Promise<void> {
  const bus = startBus(context)
  await bus.start()
  const database = await context.callers()
  const keys = keysInTurn(40, 8)
  await publishSteps(bus, keys)
  const failedOnce = new Set<string>()
  await bus.subscribe(
    StepTaken,
    async ({ id, data }, { tx }) => {
      await tx.exec(database.markStatement(`${data.number}`))
      if (data.number % 3 === 0 && !failedOnce.has(id)) {
        failedOnce.add(id)
        throw new Error('as planned')
      }
      return undefined
    },
    { group: 'g', from: 'earliest', inbox: true, retry: { backoff: { first: 5 } } },
  )
  await eventually('all effects are there', async () => (await database.marks()).length >= keys.length)
  await settledAll(bus, 'g')
  const marks = await database.marks()
  assert.deepEqual(
    marks.map(Number).toSorted((a, b) => a - b),
    keys.map((_, number) => number),
    'each effect is there once',
  )
}

async function chain(context: Context): Promise<void> {
  const bus = startBus(context)
  await bus.start()
  const database = await context.callers()
  let failed = false
  await bus.subscribe(
    StepTaken,
    async ({ data }, { tx }) => {
      if (data.number < 3) {
        await bus.publish(StepTaken, { key: data.key, number: data.number + 1 }, { tx })
        if (data.number === 1 && !failed) {
          failed = true
          throw new Error('as planned')
        }
      }
      return database.markStatement(`${data.number}`)
    },
    { group: 'g', from: 'earliest', inbox: true, retry: { backoff: { first: 5 } } },
  )
  await publishSteps(bus, ['k'], 1)
  await eventually('the last of the chain is there', async () => (await database.marks()).includes('3'))
  await settledAll(bus, 'g')
  assert.deepEqual(await database.marks(), ['1', '2', '3'])
  assert.ok(failed)
}
