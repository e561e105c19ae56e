import { defineTask } from '@millrace/core'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { command, serving } from './serving.ts'

const AuditSite = defineTask('audit.site', { input: z.object({ url: z.string() }) })

describe('/v1/operations', () => {
  test('shows what the process defines, changes it at once, and takes settings back', async () => {
    await using app = await serving()
    const audit = app.millrace.operation('audit', { task: AuditSite, run: () => {}, mode: 'sync', rollout: 25 })
    const { answer } = await command(app.url, '/v1/operations', undefined, 'GET')
    expect(answer.operations).toMatchObject([
      { name: 'audit', isDefined: true, settings: { mode: 'sync', rollout: 25 }, from: { mode: 'code' } },
    ])
    const changed = await command(app.url, '/v1/operations/audit/change', { mode: 'async', by: 'Ada' })
    expect(changed).toMatchObject({
      status: 200,
      answer: { settings: { mode: 'async', rollout: 25 }, from: { mode: 'store', rollout: 'code' }, changedBy: 'Ada' },
    })
    expect(audit.status.settings.mode).toBe('async')
    expect((await command(app.url, '/v1/operations/audit', undefined, 'GET')).answer).toMatchObject({
      circuit: { state: 'closed' },
      comparison: { sync: { calls: 0 } },
    })
    const back = await command(app.url, '/v1/operations/audit/change', { mode: null })
    expect(back.answer).toMatchObject({ settings: { mode: 'sync' }, from: { mode: 'code' } })
  })

  test('changes one that only other processes define', async () => {
    await using app = await serving()
    expect((await command(app.url, '/v1/operations/audit', undefined, 'GET')).answer.code).toBe('not_found')
    await command(app.url, '/v1/operations/audit/change', { rollout: 5 })
    const { answer } = await command(app.url, '/v1/operations', undefined, 'GET')
    expect(answer.operations).toMatchObject([{ name: 'audit', isDefined: false, settings: { rollout: 5 } }])
  })

  test.each([
    ['a mode that is none', { mode: 'maybe' }, 'operation_invalid', 'mode'],
    ['more than all', { rollout: 101 }, 'operation_invalid', 'rollout'],
    ['nothing', {}, 'operation_invalid', undefined],
    ['a member that is not known', { retries: 3 }, 'request_invalid', 'retries'],
  ])('refuses %s', async (_what, body, code, path) => {
    await using app = await serving()
    const refused = await command(app.url, '/v1/operations/audit/change', body)
    expect([refused.status, refused.answer.code, refused.answer.path]).toEqual([400, code, path])
  })

  test('is read with GET and changed with POST only', async () => {
    await using app = await serving()
    expect((await command(app.url, '/v1/operations', {})).status).toBe(405)
    expect((await command(app.url, '/v1/operations/audit/change', undefined, 'GET')).status).toBe(405)
  })
})
