import type { NewTask } from '@millrace/core/driver'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { noFault } from '../src/file/fault-point.ts'
import { createStatements, type Statements } from '../src/file/statements.ts'
import { MIGRATIONS } from '../src/migrations/migrations.ts'
import { createNameIds } from '../src/write/name-ids.ts'
import { changeTasks } from '../src/write/tasks/change.ts'
import { enqueue } from '../src/write/tasks/enqueue.ts'
import { exchange } from '../src/write/tasks/exchange.ts'
import { encodeExchange } from '../src/write/tasks/exchange-wire.ts'
import { putQueue } from '../src/write/tasks/queue-settings.ts'
import { encodeTasks } from '../src/write/tasks/task-batch.ts'
import { createTaskCache } from '../src/write/tasks/task-cache.ts'
import { createTopicCache } from '../src/write/topic-cache.ts'
import type { WriterState } from '../src/write/writer-state.ts'
import { atEnd } from './scratch.ts'
import { task } from './tasks.ts'
import { DEFAULT_QUEUE_SETTINGS } from '@millrace/core/driver'
import { settleOf } from '@millrace/core/testing'

/** Reading these from end to end is what is meant: a row each, or a list that was handed in. */
const SMALL = /^SCAN (?:task_last|json_each|CONSTANT ROW)/

test('no statement of adding, claiming, settling and changing tasks walks over a table', () => {
  const { state, texts } = recordingWriter()
  const claims = [{ queue: 'mail', names: ['mail.send', 'mail.read'], limit: 3, suspects: 1 }]
  putQueue(state, {
    name: 'mail',
    expectedVersion: 0,
    settings: {
      ...DEFAULT_QUEUE_SETTINGS,
      rate: { limit: 1_000, perMs: 1_000 },
      key: { order: false, concurrency: 2, rate: { limit: 100, perMs: 1_000 } },
      fairMs: 10,
    },
    note: '',
  })
  texts.clear()
  const special: readonly Partial<NewTask>[] = [
    { key: 'k' },
    { key: 'k', tenant: 't' },
    { key: 'k', headStartMs: 5 },
    { delayMs: 1_000 },
    { dedupe: { key: 'd', mode: 'debounce', until: 'start', windowMs: undefined } },
    { dedupe: { key: 'd', mode: 'replace', until: 'window', windowMs: 5 } },
    { children: 2, failFast: true },
    { parent: 'task-6', expiresInMs: 10 },
    { parent: 'task-6' },
  ]
  enqueue(state, encodeTasks(special.map((over, n) => task(`task-${n}`, over))))
  enqueue(state, encodeTasks([task('plain-1'), task('plain-2'), task('plain-3', { name: 'mail.read' })]))
  for (const as of ['done', 'retry', 'dead', 'release'] as const) {
    const { claimed, texts: bodies } = exchange(state, encodeExchange({ worker: 'w', settles: [], notes: [], claims }))
    expect(claimed).toHaveLength(1)
    const ids = bodies.join('').match(/(?:task|plain)-\d+(?=\{)/g) ?? []
    const settles = ids.map((id) => settleOf({ id, starts: 1 }, { as }))
    const notes = ids.map((id) => ({ id, starts: 1, progress: '{}', log: ['line'] }))
    exchange(state, encodeExchange({ worker: 'w', settles, notes, claims: [] }))
  }
  changeTasks(state, { ids: ['task-3', 'task-6', 'plain-1'], change: { action: 'cancel' } })
  changeTasks(state, { ids: ['task-3'], change: { action: 'run' } })
  changeTasks(state, { ids: ['task-3'], change: { action: 'postpone', delayMs: 1 } })

  expect(texts.size).toBeGreaterThan(30)
  const walks = [...texts].flatMap((text) => plan(state.sql, text).map((line) => `${line} in ${text}`))
  expect(walks.filter((line) => line.startsWith('SCAN') && !SMALL.test(line))).toEqual([])
  expect(walks.filter((line) => line.startsWith('USE TEMP B-TREE'))).toEqual([])
})

function plan({ db }: Statements, text: string): string[] {
  if (!/^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)/.test(text)) return []
  return db
    .prepare(`EXPLAIN QUERY PLAN ${text}`)
    .all()
    .map(({ detail }) => String(detail))
}

/** What a writer works on, over a file in memory, and the statements that it has run. */
function recordingWriter(): { readonly state: WriterState; readonly texts: Set<string> } {
  const db = new DatabaseSync(':memory:')
  atEnd(() => db.close())
  for (const migration of MIGRATIONS) db.exec(migration)
  const texts = new Set<string>()
  const plain = createStatements(db)
  const keep = (text: string): string => {
    texts.add(text)
    return text
  }
  const sql: Statements = {
    db,
    run: (text, ...values) => plain.run(keep(text), ...values),
    get: (text, ...values) => plain.get(keep(text), ...values),
    all: (text, ...values) => plain.all(keep(text), ...values),
    arrays: (text, ...values) => plain.arrays(keep(text), ...values),
    prepared: (text) => plain.prepared(keep(text)),
  }
  const state: WriterState = {
    sql,
    now: () => 1_800_000_000_000,
    path: ':memory:',
    maxBytes: 1_000_000,
    fault: noFault,
    topics: createTopicCache(sql),
    types: createNameIds(sql, 'types'),
    sources: createNameIds(sql, 'sources'),
    tasks: createTaskCache(sql),
    retentionWanted: false,
  }
  return { state, texts }
}
