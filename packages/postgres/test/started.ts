import { createMillrace, defineEvent, type EventDefinition, type Millrace, type MillraceOptions } from '@millrace/core'
import { Client } from 'pg'
import { onTestFinished } from 'vitest'
import { postgres } from '../src/index.ts'
import { anySchema, type Step } from './processes/step.ts'
import { ask, freshSchema, testServer } from './test-server.ts'

export const StepTaken: EventDefinition<'step.taken', Step, Step, 'step'> = defineEvent('step.taken', {
  schema: anySchema,
  key: ({ key }) => key,
})

/** A backbone over a schema of its own, and what a caller has beside it. */
export interface Started {
  readonly url: string
  readonly schema: string
  readonly millrace: Millrace
  /** A connection of the caller's, closed at the end. */
  connect(): Promise<Client>
  marks(): Promise<readonly string[]>
}

/** Starts one with a table of marks in its schema, through another URL if need be; all of it goes at the end of the test. */
export async function start(options: Partial<MillraceOptions> = {}, through?: string): Promise<Started> {
  const { url } = await testServer()
  const schema = freshSchema()
  onTestFinished(async () => void (await ask(url, `DROP SCHEMA IF EXISTS ${schema} CASCADE`)))
  const engines = options.transport === undefined ? { engine: postgres({ url: through ?? url, schema }) } : {}
  const millrace = createMillrace({ topics: { step: { partitions: 4 } }, onError: () => {}, ...engines, ...options })
  onTestFinished(() => millrace.close({ timeoutMs: 0 }))
  await millrace.start()
  await ask(url, `CREATE TABLE IF NOT EXISTS ${schema}.marks (n serial PRIMARY KEY, mark text NOT NULL)`)
  return {
    url,
    schema,
    millrace,
    async connect() {
      const client = new Client({ connectionString: url })
      client.on('error', () => undefined)
      await client.connect()
      onTestFinished(() => client.end())
      return client
    },
    marks: async () => (await ask(url, `SELECT mark FROM ${schema}.marks ORDER BY n`)).map(({ mark }) => String(mark)),
  }
}

/** What is stored, by key, in the order of the positions. */
export async function numbersOf(millrace: Millrace): Promise<Record<string, number[]>> {
  const numbers: Record<string, number[]> = {}
  if (!(await millrace.topics()).some(({ topic }) => topic === 'step')) return numbers
  const { events } = await millrace.read({ topics: ['step'], limit: 1_000 })
  for (const { data } of events) {
    const { key, number } = data as Step
    ;(numbers[key] ??= []).push(number)
  }
  return numbers
}
