import { createMillrace, defineEvent } from '@millrace/core'
import { memory } from '@millrace/core/memory'
import { writeSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { sqlite } from '../../src/index.ts'
import { anySchema } from './step.ts'

/**
 * Writes orders and their events in transactions of its own and kills itself: `before` or `after` the commit of the last one. With
 * `relayed` the events go to a broker that is out of reach of this process.
 */
const [path = '', point = '', mode = ''] = process.argv.slice(2)
const StepTaken = defineEvent('step.taken', { schema: anySchema, key: ({ key }) => key })
const engines =
  mode === 'relayed' ? { transport: memory(), store: sqlite(path), relay: false } : { engine: sqlite(path) }
const millrace = createMillrace({ ...engines, topics: { step: { partitions: 4 } } })
await millrace.start()
const db = new DatabaseSync(path, { timeout: 10_000 })
db.exec('CREATE TABLE IF NOT EXISTS marks (n INTEGER PRIMARY KEY, mark TEXT NOT NULL)')
for (let number = 0; number < 5; number += 1) {
  db.exec('BEGIN IMMEDIATE')
  db.prepare('INSERT INTO marks (mark) VALUES (?)').run(`${number}`)
  await millrace.publish(StepTaken, { key: `k${number % 2}`, number }, { tx: db })
  if (number === 4 && point === 'before') process.kill(process.pid, 'SIGKILL')
  db.exec('COMMIT')
  writeSync(1, `${number}\n`)
}
process.kill(process.pid, 'SIGKILL')
