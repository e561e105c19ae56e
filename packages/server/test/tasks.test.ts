import { defineTask } from '@millrace/core'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createMetricsReader } from './metrics-reader.ts'
import { command, serving, type Answer } from './serving.ts'

const BuildReport = defineTask('report.build', {
  input: z.object({ month: z.string() }),
  output: z.object({ pages: z.number() }),
  attempts: 1,
})
const definitions = { taskDefinitions: [BuildReport] }

const get = async (url: string, path: string): Promise<{ status: number; answer: Answer }> =>
  command(url, path, undefined, 'GET')
const remove = (url: string, path: string): Promise<Response> => fetch(url + path, { method: 'DELETE' })

describe('/v1/tasks', () => {
  test('adds a task, which a worker runs, and gives its result', async () => {
    await using app = await serving(definitions)
    const input = { month: '2026-01' }
    const added = await command(app.url, '/v1/tasks', {
      ...{ name: 'report.build', id: 'r-1', input, priority: 'high' },
      metadata: { correlationId: 'flow' },
    })
    expect(added).toEqual({ status: 202, answer: { id: 'r-1', deduplicated: false } })
    expect(await get(app.url, '/v1/tasks/r-1/result?timeout=1')).toEqual({ status: 202, answer: { state: 'ready' } })
    expect((await get(app.url, '/v1/tasks/r-1/explain')).answer.reasons).toEqual([
      { kind: 'no-worker', name: 'report.build' },
    ])

    await app.millrace.work(BuildReport, async ({ month }, task) => {
      task.log(`building ${month}`)
      task.progress({ done: 1, total: 2, stage: 'drawing' })
      return { pages: 12 }
    })
    expect(await get(app.url, '/v1/tasks/r-1/result?timeout=10000')).toEqual({
      status: 200,
      answer: { state: 'done', output: { pages: 12 } },
    })
    expect((await get(app.url, '/v1/tasks/r-1/logs')).answer).toEqual({ lines: ['building 2026-01'] })
    expect((await get(app.url, '/v1/tasks/r-1/progress')).answer.progress).toMatchObject({ stage: 'drawing' })
    expect((await get(app.url, '/v1/tasks/r-1')).answer).toMatchObject({
      ...{ state: 'done', input, priority: 'high' },
      metadata: { correlationId: 'flow' },
    })
    expect((await get(app.url, '/v1/workers')).answer.workers).toEqual([
      expect.objectContaining({ tasks: ['report.build'] }),
    ])
  })

  test.for([
    ['runAt', { runAt: '2027-02-30T00:00:00Z' }],
    ['runAt', { runAt: '2027-02-28T24:30:00Z' }],
    ['expiresAt', { expiresAt: '2027-04-31T00:00:00+02:00' }],
    ['backoff.delayMs', { backoff: { delayMs: 5 } }],
    ['proirity', { proirity: 'high' }],
    ['metadata.corelationId', { metadata: { corelationId: 'flow' } }],
    ['metadata.traceparent', { metadata: { traceparent: 'x' } }],
  ] as const)('refuses %s that cannot be meant, with its path', async ([path, options]) => {
    await using app = await serving(definitions)
    const wrong = { name: 'report.build', input: { month: '2026-01' }, ...options }
    expect(await command(app.url, '/v1/tasks', wrong)).toMatchObject({ status: 400, answer: { path } })
    expect((await get(app.url, '/v1/tasks')).answer.tasks).toEqual([])
  })

  test.for([
    ['GET', '/v1/tasks/r-1?foo=1'],
    ['GET', '/v1/tasks/r-1/explain?foo=1'],
    ['GET', '/v1/tasks/r-1/logs?foo=1'],
    ['GET', '/v1/tasks/r-1/progress?foo=1'],
    ['GET', '/v1/queues/report.build?foo=1'],
    ['GET', '/v1/topics/order?foo=1'],
    ['GET', '/v1/dead-letters/none?foo=1'],
    ['GET', '/v1/replays?foo=1'],
    ['POST', '/v1/tasks/cancel?foo=1'],
    ['POST', '/v1/tasks/r-1/cancel?foo=1'],
    ['DELETE', '/v1/queues/report.build?foo=1'],
    ['DELETE', '/v1/schedules/none?foo=1'],
  ] as const)('refuses a query parameter of %s that it would not obey', async ([method, path]) => {
    await using app = await serving(definitions)
    await command(app.url, '/v1/tasks', { name: 'report.build', id: 'r-1', input: { month: '2026-01' } })
    const body = path.includes('/cancel?') && !path.includes('r-1') ? { all: true } : undefined
    const refused = { status: 400, answer: { code: 'request_invalid', path: 'foo' } }
    expect(await command(app.url, path, body, method)).toMatchObject(refused)
    expect((await get(app.url, '/v1/tasks/r-1')).answer).toMatchObject({ state: 'ready' })
  })

  test('lists by filter and page, without inputs', async () => {
    await using app = await serving(definitions)
    for (const n of [1, 2, 3]) {
      const input = { month: `2026-0${n}` }
      await command(app.url, '/v1/tasks', { name: 'report.build', id: `r-${n}`, input, delay: n === 3 ? 60_000 : 0 })
    }
    const first = await get(app.url, '/v1/tasks?states=ready,delayed&limit=2')
    expect(first.answer.tasks.map(({ id }: { id: string }) => id)).toEqual(['r-1', 'r-2'])
    expect(JSON.stringify(first.answer)).not.toContain('month')
    const next = await get(app.url, `/v1/tasks?states=ready,delayed&limit=2&after=${first.answer.next}`)
    expect(next.answer).toMatchObject({ tasks: [{ id: 'r-3', state: 'delayed', delayedBy: 'delay' }] })
    expect(next.answer.next).toBeUndefined()
  })

  test('changes one and many; what is dead comes back by its fingerprint', async () => {
    await using app = await serving(definitions)
    let isBroken = true
    await app.millrace.work(BuildReport, async () => {
      if (isBroken) throw new Error('the printer is on fire')
      return { pages: 1 }
    })
    for (const n of [1, 2]) {
      await command(app.url, '/v1/tasks', { name: 'report.build', id: `r-${n}`, input: { month: '2026-01' } })
      const failed = await get(app.url, `/v1/tasks/r-${n}/result?timeout=10000`)
      expect(failed).toMatchObject({ status: 409, answer: { code: 'task_failed' } })
    }
    const { answer } = await get(app.url, '/v1/dead-letters/counts')
    expect(answer.counts).toEqual([expect.objectContaining({ group: 'queue:report.build', count: 2 })])
    const filter = { fingerprint: answer.counts[0].fingerprint }
    const dry = await command(app.url, '/v1/tasks/retry', { filter, dryRun: true })
    expect(new Set(dry.answer.ids)).toEqual(new Set(['r-1', 'r-2']))
    isBroken = false
    await command(app.url, '/v1/tasks/retry', { filter })
    for (const n of [1, 2]) {
      expect((await get(app.url, `/v1/tasks/r-${n}/result?timeout=10000`)).answer.output).toEqual({ pages: 1 })
    }
    expect((await command(app.url, '/v1/tasks/r-1/cancel', {})).status).toBe(400)
    expect((await remove(app.url, '/v1/tasks/r-1')).status).toBe(200)
    expect((await get(app.url, '/v1/tasks/r-1')).answer.code).toBe('task_unknown')
  })

  test.each([
    ['an input that does not fit', { name: 'report.build', input: { month: 1 } }, 422, 'input.month'],
    ['no name', { input: {} }, 400, 'name'],
    ['a member that is not known', { name: 'report.build', input: { month: '' }, prio: 1 }, 400, 'prio'],
    [
      'a priority that does not exist',
      { name: 'report.build', input: { month: '' }, priority: 'urgent' },
      400,
      'priority',
    ],
    ['a delay that is no number', { name: 'report.build', input: { month: '' }, delay: 'soon' }, 400, 'delay'],
    ['a time without a zone', { name: 'report.build', input: { month: '' }, runAt: '2026-01-01' }, 400, 'runAt'],
  ])('refuses %s', async (_what, body, status, path) => {
    await using app = await serving(definitions)
    const refused = await command(app.url, '/v1/tasks', body)
    expect(refused.status).toBe(status)
    expect(refused.answer.path ?? '').toBe(path)
  })

  test('a bulk change must say what it means', async () => {
    await using app = await serving(definitions)
    for (const body of [{}, { filter: {} }, { ids: ['a'], all: true }, { filter: { states: ['asleep'] } }]) {
      expect(await command(app.url, '/v1/tasks/cancel', body)).toMatchObject({
        status: 400,
        answer: { code: 'request_invalid' },
      })
    }
  })
})

describe('/v1/queues', () => {
  test('are paused, resumed, changed, restored and removed', async () => {
    await using app = await serving(definitions)
    await command(app.url, '/v1/tasks', { name: 'report.build', id: 'r-1', input: { month: '2026-01' } })
    expect((await command(app.url, '/v1/queues/report.build/pause', {})).answer.paused).toBe(true)
    expect((await get(app.url, '/v1/tasks/r-1/explain')).answer.reasons).toContainEqual({ kind: 'queue-paused' })
    expect((await command(app.url, '/v1/queues/report.build/resume', {})).answer.paused).toBe(false)
    const changed = await command(app.url, '/v1/queues/report.build/change', { concurrency: 2 })
    expect(changed.answer).toMatchObject({ settings: { concurrency: 2 }, overridden: { concurrency: 2 } })
    expect((await command(app.url, '/v1/queues/report.build/restore', {})).answer.overridden).toEqual({})
    expect((await command(app.url, '/v1/queues/report.build/change', { concurrency: 0 })).status).toBe(400)
    const kept = await remove(app.url, '/v1/queues/report.build')
    expect([kept.status, await kept.json()]).toMatchObject([409, { code: 'queue_not_empty' }])
    await command(app.url, '/v1/tasks/cancel', { all: true })
    await command(app.url, '/v1/tasks/discard', { all: true })
    expect((await remove(app.url, '/v1/queues/report.build')).status).toBe(204)
    expect((await get(app.url, '/v1/queues/report.build')).answer.code).toBe('queue_unknown')
  })

  test('and tasks are counted in the metrics', async () => {
    await using app = await serving(definitions)
    await app.millrace.work(BuildReport, async () => ({ pages: 1 }))
    await command(app.url, '/v1/tasks', { name: 'report.build', id: 'r-1', input: { month: '2026-01' } })
    await command(app.url, '/v1/tasks', { name: 'report.build', input: { month: '2026-01' }, delay: 60_000 })
    await get(app.url, '/v1/tasks/r-1/result?timeout=10000')
    const read = (series: string): Promise<number | undefined> => createMetricsReader(app.url, series)()
    const ended = 'millrace_tasks_ended_total{queue="report.build",task="report.build",outcome="done"}'
    expect(await read(ended)).toBe(1)
    expect(await read('millrace_tasks{queue="report.build",state="delayed"}')).toBe(1)
    expect(await read('millrace_queue_depth{queue="report.build"}')).toBe(0)
  })
})

describe('/v1/schedules', () => {
  test('are stored, looked ahead, paused, run, skipped and removed', async () => {
    await using app = await serving(definitions)
    const schedule = { name: 'daily', cron: '0 9 * * *', timeZone: 'Europe/Berlin', task: 'report.build' }
    const stored = await command(app.url, '/v1/schedules', { ...schedule, input: { month: '2026-01' } })
    expect(stored).toMatchObject({ status: 200, answer: { name: 'daily', paused: false, missed: 'once' } })
    const ahead = (await get(app.url, '/v1/schedules/daily/next?count=5')).answer.next
    expect(ahead).toHaveLength(5)
    expect((await command(app.url, '/v1/schedules/daily/skip', {})).answer.nextAt).toBe(ahead[1])
    expect((await command(app.url, '/v1/schedules/daily/pause', {})).answer).toMatchObject({ paused: true })
    const resumed = (await command(app.url, '/v1/schedules/daily/resume', {})).answer
    expect(resumed.paused).toBe(false)
    const { id } = (await command(app.url, '/v1/schedules/daily/run', {})).answer
    expect((await get(app.url, `/v1/tasks/${id}`)).answer).toMatchObject({ name: 'report.build', state: 'ready' })
    expect((await get(app.url, '/v1/schedules')).answer.schedules).toHaveLength(1)
    expect((await remove(app.url, '/v1/schedules/daily')).status).toBe(204)
    expect((await get(app.url, '/v1/schedules/daily')).answer.code).toBe('schedule_unknown')
  })

  test.each([
    ['a cron that never fires', { cron: '0 0 31 2 *' }],
    ['a cron that is none', { cron: 'at tea time' }],
    ['a time zone that does not exist', { cron: '0 9 * * *', timeZone: 'Europe/Atlantis' }],
    ['no rule', {}],
    ['two rules', { cron: '0 9 * * *', every: 1_000 }],
  ])('refuses %s', async (_what, rule) => {
    await using app = await serving(definitions)
    const body = { name: 'odd', task: 'report.build', input: { month: '2026-01' }, ...rule }
    expect(await command(app.url, '/v1/schedules', body)).toMatchObject({
      status: 400,
      answer: { code: 'schedule_invalid' },
    })
  })
})
