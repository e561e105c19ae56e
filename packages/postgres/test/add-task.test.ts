import { defineTask } from '@millrace/core'
import type { StandardSchema } from '@millrace/core/contract'
import { waitFor } from '@millrace/core/testing'
import { afterAll, describe, expect, test } from 'vitest'
import { start } from './started.ts'
import { hasPostgres, testServer } from './test-server.ts'

const named: StandardSchema<{ name: string }> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate(value) {
      const { name } = value as { readonly name?: unknown }
      return typeof name === 'string' ? { value: { name } } : { issues: [{ message: 'no text', path: ['name'] }] }
    },
  },
}
const Welcome = defineTask('user.welcome', { input: named, attempts: 1 })

describe.skipIf(!hasPostgres)('add_task', () => {
  afterAll(async () => (await testServer()).stop())

  test('in a trigger adds a task when the transaction commits, and none when it rolls back', async () => {
    const { millrace, schema, connect } = await start()
    const client = await connect()
    await client.query(`
      CREATE TABLE ${schema}.users (name text);
      CREATE FUNCTION ${schema}.welcome() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM ${schema}.add_task('user.welcome', json_build_object('name', NEW.name));
        RETURN NEW;
      END $$;
      CREATE TRIGGER welcome AFTER INSERT ON ${schema}.users FOR EACH ROW EXECUTE FUNCTION ${schema}.welcome();`)
    const welcomed: string[] = []
    await millrace.work(Welcome, ({ name }) => void welcomed.push(name))
    await client.query(`BEGIN; INSERT INTO ${schema}.users VALUES ('Eve'); ROLLBACK`)
    await client.query(`INSERT INTO ${schema}.users VALUES ('Ada'), ('Grace')`)
    await waitFor(() => welcomed.length >= 2)
    expect(new Set(welcomed)).toEqual(new Set(['Ada', 'Grace']))
    expect(await millrace.tasks.list()).toHaveLength(2)
  })

  test('tells idle workers at the commit, once for each queue', async () => {
    const { schema, connect } = await start()
    const [listener, client] = [await connect(), await connect()]
    const heard: (string | undefined)[] = []
    listener.on('notification', ({ payload }) => void heard.push(payload))
    await listener.query(`LISTEN "millrace_${schema}"`)
    await client.query(
      `BEGIN; SELECT ${schema}.add_task('a'), ${schema}.add_task('a'), ${schema}.add_task('b'); COMMIT`,
    )
    await waitFor(() => heard.filter((payload) => payload?.startsWith('sql ')).length >= 2)
    expect(heard.filter((payload) => payload?.startsWith('sql '))).toEqual(['sql !task:a', 'sql !task:b'])
  })

  test('takes queue, delay, priority, id, key and dedupe', async () => {
    const { millrace, schema, connect } = await start()
    const client = await connect()
    const add = async (more: string): Promise<unknown> =>
      (await client.query<{ id: string }>(`SELECT ${schema}.add_task('user.welcome', '{"name":"Ada"}'${more}) AS id`))
        .rows[0]?.id
    expect(
      await add(`, 'mail', delay => '1 hour', priority => 50, id => 'own', key => 'ada', dedupe => 'welcome-ada'`),
    ).toBe('own')
    expect(await add(`, 'mail', dedupe => 'welcome-ada'`)).toBe('own')
    const task = await millrace.tasks.get('own')
    expect(task).toMatchObject({
      name: 'user.welcome',
      queue: 'mail',
      state: 'delayed',
      priority: 'high',
      key: 'ada',
      dedupeKey: 'welcome-ada',
      input: { name: 'Ada' },
    })
    expect(Date.parse(task.dueAt) - Date.parse(task.addedAt)).toBe(3_600_000)
    expect(await millrace.tasks.list()).toHaveLength(1)
  })

  test('refuses an id that another task has, and takes the same one again', async () => {
    const { millrace, schema, connect } = await start()
    const client = await connect()
    const add = async (task: string, input: string): Promise<unknown> =>
      (await client.query<{ id: string }>(`SELECT ${schema}.add_task($1, $2, id => 'own') AS id`, [task, input]))
        .rows[0]?.id
    expect(await add('user.welcome', '{"name":"Ada","n":1}')).toBe('own')
    expect(await add('user.welcome', '{ "n":1, "name": "Ada" }')).toBe('own')
    await expect(add('user.welcome', '{"name":"Ada","n":2}')).rejects.toMatchObject({ code: '23505' })
    await expect(add('user.goodbye', '{"name":"Ada","n":1}')).rejects.toMatchObject({ code: '23505' })
    await expect(millrace.enqueue(Welcome, { name: 'Eve' }, { id: 'own' })).rejects.toMatchObject({
      code: 'task_conflict',
    })
    expect(await millrace.tasks.list()).toHaveLength(1)
  })

  test('what does not fit the schema is dead with the path, without being run', async () => {
    const { millrace, schema, connect } = await start()
    const client = await connect()
    await client.query(`SELECT ${schema}.add_task('user.welcome', '{"name":7}', id => 'wrong')`)
    let runs = 0
    await millrace.work(Welcome, () => void (runs += 1))
    await waitFor(async () => (await millrace.tasks.get('wrong')).state === 'dead')
    expect((await millrace.tasks.get('wrong')).error).toMatchObject({ code: 'task_input_invalid' })
    expect(runs).toBe(0)
  })

  test('refuses what no task can have', async () => {
    const { millrace, schema, connect } = await start()
    const client = await connect()
    const refused: readonly (readonly [args: string, message: string])[] = [
      [`NULL`, 'is not allowed'],
      [`'Not A Name'`, 'is not allowed'],
      [`'a', queue => 'Q'`, 'is not allowed'],
      [`'a', priority => 1001`, 'between -1000 and 1000'],
      [`'a', delay => '11 years'`, 'ten years'],
      [`'a', id => ''`, '1 to 256 bytes'],
      [`'a', key => E'a\\x1fb'`, 'control characters'],
      [`'a', to_json(repeat('x', 300000))`, 'more than 262144 bytes'],
    ]
    for (const [args, message] of refused) {
      await expect(client.query(`SELECT ${schema}.add_task(${args})`)).rejects.toThrow(message)
    }
    expect(await millrace.tasks.list()).toEqual([])
  })
})
