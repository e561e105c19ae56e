import { channels, createMillrace, defineEvent, type Millrace, type MillraceOptions } from '@millrace/core'
import { memory } from '@millrace/core/memory'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { sqlite } from '../src/index.ts'
import { type Child, startChild } from './child.ts'
import { anySchema } from './processes/step.ts'
import { atEnd, scratchFile } from './scratch.ts'
import { until } from './until.ts'

const StepTaken = defineEvent('step.taken', { schema: anySchema, key: ({ key }) => key })

function start(options: Partial<MillraceOptions>): Millrace {
  const millrace = createMillrace({ topics: { step: { partitions: 4 } }, onError: () => {}, ...options })
  atEnd(() => millrace.close({ timeoutMs: 0 }))
  return millrace
}

/** The caller's own handle, with a table beside those of the engine. */
function handleOn(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 10_000 })
  atEnd(() => db.isOpen && db.close())
  db.exec('CREATE TABLE IF NOT EXISTS marks (n INTEGER PRIMARY KEY, mark TEXT NOT NULL)')
  return db
}

/** What is stored, by key, in the order of the positions. */
async function numbersOf(millrace: Millrace): Promise<Record<string, number[]>> {
  const numbers: Record<string, number[]> = {}
  if ((await millrace.topics()).length === 0) return numbers
  const { events } = await millrace.read({ topics: ['step'], limit: 1_000 })
  for (const { data } of events) {
    const { key, number } = data as { key: string; number: number }
    ;(numbers[key] ??= []).push(number)
  }
  return numbers
}

describe('a publish in the transaction of the caller', () => {
  test('happens before the call returns, so that the transaction needs no await', async () => {
    const path = scratchFile()
    const millrace = start({ engine: sqlite(path) })
    await millrace.start()
    const db = handleOn(path)
    db.exec('BEGIN IMMEDIATE')
    const enlisted = millrace.publish(StepTaken, { key: 'k', number: 1 }, { tx: db })
    db.exec('COMMIT')
    expect(await enlisted).toMatchObject({ outcome: 'enlisted', topic: 'step' })
    expect(await numbersOf(millrace)).toEqual({ k: [1] })
    expect(await millrace.outbox.status()).toBeUndefined()
  })

  test('works with a handle that reads big integers and arrays', async () => {
    const path = scratchFile()
    const millrace = start({ engine: sqlite(path) })
    await millrace.start()
    const db = new DatabaseSync(path, { readBigInts: true, returnArrays: true })
    atEnd(() => db.close())
    db.exec('BEGIN')
    await millrace.publish(StepTaken, { key: 'k', number: 1 }, { tx: db })
    db.exec('COMMIT')
    expect(await numbersOf(millrace)).toEqual({ k: [1] })
  })

  test('is refused for a handle on another file, one without a transaction, and what is no handle', async () => {
    const path = scratchFile()
    const millrace = start({ engine: sqlite(path) })
    await millrace.start()
    const elsewhere = new DatabaseSync(scratchFile())
    atEnd(() => elsewhere.close())
    elsewhere.exec('BEGIN')
    const refused = async (tx: object, text: RegExp): Promise<void> => {
      const error = millrace.publish(StepTaken, { key: 'k', number: 1 }, { tx })
      await expect(error).rejects.toMatchObject({ code: 'transaction_invalid', message: expect.stringMatching(text) })
    }
    await refused(elsewhere, /the handle is open on/)
    await refused(handleOn(path), /no transaction is open/)
    await refused({}, /DatabaseSync of node:sqlite/)
    await refused('tx' as unknown as object, /of type string/)
    expect(await numbersOf(millrace)).toEqual({})
  })

  test('is refused for a handle that is closed, and taken when it is open again', async () => {
    const path = scratchFile()
    const millrace = start({ engine: sqlite(path) })
    await millrace.start()
    const db = handleOn(path)
    const publish = (number: number) => millrace.publish(StepTaken, { key: 'k', number }, { tx: db })
    db.exec('BEGIN IMMEDIATE')
    await publish(1)
    db.exec('COMMIT')
    db.close()
    await expect(publish(2)).rejects.toMatchObject({
      code: 'transaction_invalid',
      path: 'tx',
      message: expect.stringContaining('the handle is closed; pass one that is open'),
    })
    for (const number of [3, 4]) {
      db.open()
      db.exec('BEGIN IMMEDIATE')
      expect(await publish(number)).toMatchObject({ outcome: 'enlisted' })
      db.exec('COMMIT')
      db.close()
    }
    expect(await numbersOf(millrace)).toEqual({ k: [1, 3, 4] })
    const standIn = millrace.publish(StepTaken, { key: 'k', number: 5 }, { tx: new Proxy(handleOn(path), {}) })
    await expect(standIn).rejects.toMatchObject({ code: 'transaction_invalid' })
  })

  test('is refused for a transaction that has read what others have changed since', async () => {
    const path = scratchFile()
    const millrace = start({ engine: sqlite(path) })
    await millrace.start()
    const db = handleOn(path)
    const publish = () => millrace.publish(StepTaken, { key: 'k', number: 2 }, { tx: db })
    db.exec('BEGIN')
    db.prepare('SELECT mark FROM marks').all()
    await millrace.publish(StepTaken, { key: 'k', number: 1 })
    await expect(publish()).rejects.toMatchObject({
      code: 'transaction_invalid',
      message: expect.stringContaining('begin it with BEGIN IMMEDIATE'),
    })
    db.exec('ROLLBACK; BEGIN IMMEDIATE')
    await publish()
    db.exec('COMMIT')
    expect(await numbersOf(millrace)).toEqual({ k: [1, 2] })
  })

  test('is refused by an engine without SQL transactions', async () => {
    const millrace = start({ engine: memory() })
    const publish = millrace.publish(StepTaken, { key: 'k', number: 1 }, { tx: {} })
    await expect(publish).rejects.toMatchObject({ code: 'capability_missing' })
    const subscribe = millrace.subscribe(StepTaken, () => {}, { group: 'g', inbox: true })
    await expect(subscribe).rejects.toMatchObject({ code: 'capability_missing' })
  })

  test('of a batch with one bad event writes nothing', async () => {
    const path = scratchFile()
    const millrace = start({ engine: sqlite(path) })
    await millrace.start()
    const db = handleOn(path)
    const good = millrace.create(StepTaken, { key: 'k', number: 1 })
    db.exec('BEGIN')
    const batch = millrace.publishBatch([good, { ...good, id: '' }], { tx: db })
    await expect(batch).rejects.toMatchObject({ code: 'event_malformed' })
    db.exec('COMMIT')
    expect(await numbersOf(millrace)).toEqual({})
  })

  test.each(['before', 'after'])(
    'of a process that is killed %s the commit is there as the other rows are',
    async (point) => {
      const path = scratchFile()
      const child = startChild('transaction-publisher.ts', [path, point])
      expect(await child.ended).toBe('SIGKILL')
      const millrace = start({ engine: sqlite(path) })
      const stored = Object.values(await numbersOf(millrace)).flat()
      const marks = handleOn(path)
        .prepare('SELECT mark FROM marks')
        .all()
        .map(({ mark }) => Number(mark))
      expect(stored.toSorted((a, b) => a - b)).toEqual(marks)
      expect(marks).toHaveLength(point === 'before' ? 4 : 5)
    },
  )
})

describe('the relay from a SQLite store to another engine', () => {
  test('forwards what a killed process has committed, in order by key', async () => {
    const path = scratchFile()
    const child = startChild('transaction-publisher.ts', [path, 'after', 'relayed'])
    expect(await child.ended).toBe('SIGKILL')
    const millrace = start({ transport: memory(), store: sqlite(path) })
    await millrace.start()
    await until(async () => (await millrace.outbox.status())?.waiting === 0)
    expect(await numbersOf(millrace)).toEqual({ k0: [0, 2, 4], k1: [1, 3] })
  })

  test(
    'keeps the order by key while processes compete and one is killed in mid-batch',
    { timeout: 360_000 },
    async () => {
      const [store, broker] = [scratchFile(), scratchFile()]
      const millrace = start({ transport: sqlite(broker), store: sqlite(store), relay: false })
      await millrace.start()
      const db = handleOn(store)
      const relay = (point: string): Child =>
        startChild('relay.ts', [store, broker], { env: { MILLRACE_FAULT_POINT: point } })
      async function publish(from: number, to: number): Promise<void> {
        for (let number = from; number < to; number += 3) {
          db.exec('BEGIN IMMEDIATE')
          const events = [0, 1, 2].map((more) =>
            millrace.create(StepTaken, { key: `k${number % 7}`, number: number + more }),
          )
          const enlisted = millrace.publishBatch(events, { tx: db })
          db.exec(number % 30 === 27 ? 'ROLLBACK' : 'COMMIT')
          await enlisted
        }
      }
      const isEmpty = async (): Promise<boolean> => (await millrace.outbox.status())?.waiting === 0
      const mortal = relay('mid-batch:2')
      await mortal.line()
      await publish(0, 90)
      await Promise.race([until(isEmpty), mortal.ended])
      const others = [relay('after-commit-before-reply:30'), relay('')]
      await Promise.all(others.map((other) => other.line()))
      await publish(90, 300)
      expect(await mortal.ended).toBe('SIGKILL')
      await until(isEmpty)
      const numbers = await numbersOf(millrace)
      expect(Object.values(numbers).flat()).toHaveLength(270)
      for (const ofKey of Object.values(numbers)) expect(ofKey).toEqual(ofKey.toSorted((a, b) => a - b))
    },
  )

  test('keeps what the target refuses, visibly, lets other keys pass, and tells how it goes', async () => {
    const path = scratchFile()
    const broker = memory()
    const forwarded: unknown[] = []
    const listen = (message: unknown): void => void forwarded.push(message)
    channels.relay.subscribe(listen)
    atEnd(() => channels.relay.unsubscribe(listen))
    const millrace = start({ name: 'shop', transport: broker, store: sqlite(path) })
    await millrace.start()
    const first = millrace.create(StepTaken, { key: 'k', number: 1 })
    await millrace.publish(first)
    const db = handleOn(path)
    const conflict = { ...first, data: { key: 'k', number: 2 } }
    const others = ['k', 'l'].map((key) => millrace.create(StepTaken, { key, number: 3 }))
    db.exec('BEGIN')
    await millrace.publish(conflict, { tx: db })
    db.exec('COMMIT')
    await until(async () => (await millrace.outbox.failing()).length === 1)
    db.exec('BEGIN')
    await millrace.publishBatch(others, { tx: db })
    db.exec('COMMIT')
    await until(async () => (await numbersOf(millrace))['l'] !== undefined)
    expect(await numbersOf(millrace)).toEqual({ k: [1], l: [3] })
    const [failing] = await millrace.outbox.failing()
    expect(failing).toMatchObject({ id: first.id, code: 'event_conflict', key: 'k', topic: 'step' })
    // What was forwarded is removed a moment after others can read it.
    await until(async () => (await millrace.outbox.status())?.waiting === 2)
    expect(await millrace.outbox.status()).toMatchObject({ waiting: 2, failing: 1 })
    expect(await millrace.outbox.discard([failing?.rowId ?? ''])).toEqual([failing?.rowId])
    await until(async () => (await numbersOf(millrace))['k']?.length === 2)
    await until(async () => (await millrace.outbox.status())?.waiting === 0)
    expect(await millrace.outbox.status()).toMatchObject({ waiting: 0, failing: 0, oldestMs: undefined })
    expect(forwarded).toContainEqual(expect.objectContaining({ millrace: 'shop', forwarded: 1, failed: 0 }))
  })

  test('goes on when the target is back, and marks nothing as failed while it is away', async () => {
    const path = scratchFile()
    const broker = memory()
    let isAway = true
    const flaky = {
      name: broker.name,
      open(runtime: Parameters<typeof broker.open>[0]) {
        const driver = broker.open(runtime)
        const publish: typeof driver.transport.publish = (records, options) =>
          isAway ? Promise.reject(new Error('no route')) : driver.transport.publish(records, options)
        return { ...driver, transport: Object.create(driver.transport, { publish: { value: publish } }) as never }
      },
    }
    const errors: unknown[] = []
    const millrace = start({ transport: flaky, store: sqlite(path), onError: (error) => errors.push(error) })
    await millrace.start()
    const db = handleOn(path)
    db.exec('BEGIN')
    await millrace.publish(StepTaken, { key: 'k', number: 1 }, { tx: db })
    db.exec('COMMIT')
    await until(() => errors.length > 0)
    expect(await millrace.outbox.status()).toMatchObject({ waiting: 1, failing: 0 })
    isAway = false
    await until(async () => (await millrace.outbox.status())?.waiting === 0)
    expect(await numbersOf(millrace)).toEqual({ k: [1] })
    expect(errors).toHaveLength(1)
  })
})

describe('a log of record with a transport that is fed from it', () => {
  test('each group chooses which of the two it reads', async () => {
    const path = scratchFile()
    const log = sqlite(path)
    const millrace = start({ transport: memory(), store: log, log })
    await millrace.start()
    const db = handleOn(path)
    const seen: string[] = []
    const subscribe = (group: string, via: 'log' | 'transport'): Promise<unknown> =>
      millrace.subscribe(StepTaken, ({ data }) => void seen.push(`${via} ${data.number}`), {
        group,
        via,
        from: 'earliest',
      })
    await subscribe('audit', 'log')
    await subscribe('mails', 'transport')
    await millrace.publish(StepTaken, { key: 'k', number: 1 })
    db.exec('BEGIN')
    await millrace.publish(StepTaken, { key: 'k', number: 2 }, { tx: db })
    db.exec('COMMIT')
    await until(() => seen.length === 4)
    expect(seen.filter((each) => each.startsWith('log'))).toEqual(['log 1', 'log 2'])
    expect(seen.filter((each) => each.startsWith('transport'))).toEqual(['transport 1', 'transport 2'])
    expect(await numbersOf(millrace)).toEqual({ k: [1, 2] })
  })

  test('"via" without a log is refused', async () => {
    const millrace = start({ engine: memory() })
    const subscribed = millrace.subscribe(StepTaken, () => {}, { group: 'g', via: 'log' })
    await expect(subscribed).rejects.toMatchObject({ code: 'subscription_invalid', path: 'via' })
  })

  test.each([
    [{}, 'engine'],
    [{ engine: memory(), store: memory() }, 'store'],
    [{ transport: memory() }, 'store'],
  ])('engines that do not fit together are refused: %#', (options, path) => {
    expect(() => createMillrace(options)).toThrow(expect.objectContaining({ code: 'config_invalid', path }))
  })
})
