import { Client } from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { openDriver } from './driver.ts'
import { hasPostgres, testServer } from './test-server.ts'

describe.skipIf(!hasPostgres)('looking at the queues', () => {
  afterAll(async () => (await testServer()).stop())

  test('is never compiled by the server and reads no table from end to end that may be long', async () => {
    const { url, schema } = await openDriver()
    const client = new Client({ connectionString: url })
    const plans: string[] = []
    client.on('notice', ({ message }) => void plans.push(String(message)))
    await client.connect()
    try {
      await client.query("LOAD 'auto_explain'")
      await client.query('SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on')
      await client.query('SET auto_explain.log_analyze = on; SET client_min_messages = log')
      // Whatever this server finds worth compiling.
      await client.query('SET jit_above_cost = 0')
      await client.query(`INSERT INTO ${schema}.task_queues (name) VALUES ('mails')`)
      await client.query(`SELECT * FROM ${schema}.queue_statuses_1(10000)`)
    } finally {
      await client.end()
    }
    const [plan = '', ...others] = plans.filter((each) => each.includes('WITH ended AS'))
    expect(others).toEqual([])
    expect(plan).toContain('task_ready_by_rank')
    expect(plan).not.toContain('JIT:')
    expect(plan).not.toMatch(/Seq Scan on (?!task_(queues|lanes|running))/)
  })
})
