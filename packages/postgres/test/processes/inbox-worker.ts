import { createMillrace, defineEvent } from '@millrace/core'
import { writeSync } from 'node:fs'
import pg from 'pg'
import { postgres } from '../../src/index.ts'
import { anySchema } from './step.ts'

/**
 * Handles steps with an inbox until it is killed: from outside, or by itself at the n-th `in-handler` (after its effect is written),
 * `before-commit` (of an effect) or `after-commit` (before anybody hears of it).
 */
const [url = '', schema = '', point = ''] = process.argv.slice(2)
const [name, count = '0'] = point.split(':')
let left = Number(count)

function pass(here: string): void {
  if (here !== name) return
  left -= 1
  if (left === 0) process.kill(process.pid, 'SIGKILL')
}

type Query = (
  this: pg.Client & { readonly connectionParameters: { application_name?: string } },
  ...input: unknown[]
) => unknown
const query = pg.Client.prototype.query as unknown as Query
pg.Client.prototype.query = function (this: ThisParameterType<Query>, ...input: unknown[]) {
  const isCommit = input[0] === 'COMMIT' && this.connectionParameters.application_name === 'millrace inbox'
  if (isCommit) pass('before-commit')
  const answer = query.apply(this, input)
  if (isCommit && answer instanceof Promise) return answer.then((result: unknown) => (pass('after-commit'), result))
  return answer
} as never

const StepTaken = defineEvent('step.taken', { schema: anySchema, key: ({ key }) => key })
const millrace = createMillrace({
  engine: postgres({ url, schema }),
  topics: { step: { partitions: 4 } },
  leaseMs: 1_500,
  onError: () => {},
})
await millrace.subscribe(
  StepTaken,
  async ({ data }, { tx }) => {
    await tx.exec({ sql: `INSERT INTO ${schema}.marks (mark) VALUES ($1)`, values: [`${data.number}`] })
    pass('in-handler')
    return { sql: `UPDATE ${schema}.total SET n = n + 1` }
  },
  { group: 'effects', from: 'earliest', inbox: true, concurrency: 4 },
)
writeSync(1, 'ready\n')
setInterval(() => {}, 60_000)
