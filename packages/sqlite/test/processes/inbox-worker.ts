import { createMillrace, defineEvent } from '@millrace/core'
import { writeSync } from 'node:fs'
import { sqlite } from '../../src/index.ts'
import { anySchema } from './step.ts'

/**
 * Handles steps with an inbox until it is killed: from outside, by a fault point of the writer, or in its handler, after it has written
 * its effect and before it returns (`MILLRACE_TEST_DIE_IN_HANDLER=n`, in its n-th run).
 */
const path = process.argv[2] ?? ''
let left = Number(process.env['MILLRACE_TEST_DIE_IN_HANDLER'] ?? 0)
const StepTaken = defineEvent('step.taken', { schema: anySchema, key: ({ key }) => key })
const millrace = createMillrace({ engine: sqlite(path), leaseMs: 1_500, onError: () => {} })
await millrace.subscribe(
  StepTaken,
  async ({ data }, { tx }) => {
    await tx.exec({ sql: 'INSERT INTO marks (mark) VALUES (?)', values: [`${data.number}`] })
    left -= 1
    if (left === 0) process.kill(process.pid, 'SIGKILL')
    return { sql: 'UPDATE total SET n = n + 1' }
  },
  { group: 'effects', from: 'earliest', inbox: true, concurrency: 4 },
)
writeSync(1, 'ready\n')
setInterval(() => {}, 60_000)
