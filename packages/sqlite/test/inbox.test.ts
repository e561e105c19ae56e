import { createMillrace, defineEvent, type Millrace, reject } from '@millrace/core'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { sqlite, type SqliteOptions } from '../src/index.ts'
import { startChild } from './child.ts'
import { anySchema } from './processes/step.ts'
import { atEnd, scratchFile } from './scratch.ts'
import { until } from './until.ts'

const StepTaken = defineEvent('step.taken', { schema: anySchema, key: ({ key }) => key })

async function start(options: SqliteOptions): Promise<{ readonly millrace: Millrace; readonly db: DatabaseSync }> {
  const millrace = createMillrace({ engine: sqlite(options), leaseMs: 1_500, onError: () => {} })
  atEnd(() => millrace.close({ timeoutMs: 0 }))
  await millrace.start()
  const db = new DatabaseSync(options.path, { timeout: 10_000 })
  atEnd(() => db.close())
  db.exec(`CREATE TABLE marks (n INTEGER PRIMARY KEY, mark TEXT NOT NULL); CREATE TABLE total (n INTEGER);
    INSERT INTO total VALUES (0); CREATE TABLE child (parent INTEGER REFERENCES marks (n))`)
  return { millrace, db }
}

const marksOf = (db: DatabaseSync): string[] =>
  db
    .prepare('SELECT mark FROM marks ORDER BY n')
    .all()
    .map(({ mark }) => String(mark))

/** Where the workers die, in turn; what they have in hand then is taken over by the next. */
const DEATHS: readonly (readonly [name: string, env: Record<string, string>])[] = [
  ['in the handler', { MILLRACE_TEST_DIE_IN_HANDLER: '5' }],
  ['before the commit', { MILLRACE_FAULT_POINT: 'before-commit:12' }],
  ['after the commit, before anybody hears of it', { MILLRACE_FAULT_POINT: 'after-commit-before-reply:12' }],
  ['after a later commit', { MILLRACE_FAULT_POINT: 'after-commit-before-reply:25' }],
]

test(
  'the effects of workers that are killed at the worst moments are there exactly once',
  { timeout: 360_000 },
  async () => {
    const path = scratchFile()
    const { millrace, db } = await start({ path })
    const events = Array.from({ length: 120 }, (_, number) =>
      millrace.create(StepTaken, { key: `k${number % 12}`, number }),
    )
    await millrace.publishBatch(events)
    for (const [name, env] of DEATHS) {
      const worker = startChild('inbox-worker.ts', [path], { env })
      expect(await worker.ended, `the worker dies ${name}`).toBe('SIGKILL')
    }
    const before = marksOf(db).length
    expect(before).toBeLessThan(events.length)
    startChild('inbox-worker.ts', [path])
    await until(() => marksOf(db).length >= events.length)
    await until(async () => (await millrace.groups()).every(({ lag, lane }) => lag === 0 && lane.waiting === 0))
    const numbers = marksOf(db).map(Number)
    expect(numbers.toSorted((a, b) => a - b)).toEqual(events.map((_, number) => number))
    expect(db.prepare('SELECT n FROM total').get()).toMatchObject({ n: events.length })
    for (let key = 0; key < 12; key += 1) {
      const ofKey = numbers.filter((number) => number % 12 === key)
      expect(ofKey).toEqual(ofKey.toSorted((a, b) => a - b))
    }
    expect(await millrace.deadLetters.list()).toEqual([])
  },
)

test('a refusal, a failure and a bad statement apply nothing; foreign keys count', async () => {
  const { millrace, db } = await start({ path: scratchFile() })
  const bad = [
    { sql: 'DROP TABLE marks' },
    { sql: "INSERT INTO marks (mark) VALUES ('x'); DELETE FROM marks" },
    { sql: 'INSERT INTO child (parent) VALUES (999)' },
    { sql: 'INSERT OR ROLLBACK INTO marks (mark) VALUES (NULL)' },
    { sql: 'INSERT INTO marks (mark) VALUES (?)', values: [undefined as unknown as string] },
  ]
  await millrace.subscribe(
    StepTaken,
    async ({ data }, { tx }) => {
      await tx.exec({ sql: 'INSERT INTO marks (mark) VALUES (?)', values: [`${data.number}`] })
      if (data.number === 0) return reject('no')
      if (data.number === 1) throw new Error('no')
      return bad[data.number - 2]
    },
    { group: 'g', from: 'earliest', inbox: true, retry: { attempts: 1 } },
  )
  const count = bad.length + 3
  for (let number = 0; number < count; number += 1) await millrace.publish(StepTaken, { key: `k${number}`, number })
  await until(() => marksOf(db).length > 0)
  await until(async () => (await millrace.deadLetters.list()).length === count - 1)
  expect(marksOf(db)).toEqual([`${count - 1}`])
  const letters = await millrace.deadLetters.list()
  const codes = letters.map(({ error }) => error.code)
  expect(codes.filter((code) => code === 'transaction_failed')).toHaveLength(bad.length)
  expect(codes).toContain('handler_rejected')
})

test('a replay applies the effects anew, a second delivery does not', async () => {
  const { millrace, db } = await start({ path: scratchFile() })
  await millrace.subscribe(
    StepTaken,
    ({ data }) => ({ sql: 'INSERT INTO marks (mark) VALUES (?)', values: [`${data.number}`] }),
    { group: 'g', from: 'earliest', inbox: true },
  )
  await millrace.publish(StepTaken, { key: 'k', number: 1 })
  await until(() => marksOf(db).length === 1)
  await millrace.replay({ group: 'g', from: 'earliest' })
  await until(() => marksOf(db).length === 2)
  await until(async () => (await millrace.groups()).every(({ lag, lane }) => lag === 0 && lane.waiting === 0))
  expect(marksOf(db)).toEqual(['1', '1'])
})

test('rows of the inbox go when their time is over', async () => {
  const { millrace, db } = await start({ path: scratchFile(), retentionEveryMs: 20 })
  const rows = (): unknown => db.prepare('SELECT count(*) AS n FROM inbox').get()?.['n']
  await millrace.subscribe(StepTaken, () => ({ sql: "INSERT INTO marks (mark) VALUES ('x')" }), {
    group: 'g',
    from: 'earliest',
    inbox: { keepMs: 1_000 },
  })
  await millrace.publish(StepTaken, { key: 'k', number: 1 })
  await until(() => marksOf(db).length === 1)
  expect(rows()).toBe(1)
  await until(() => rows() === 0)
})
