import { createMillrace, defineTask } from '@millrace/core'
import { memory } from '@millrace/core/memory'
import { expect, test } from 'vitest'
import { queueLoad, scaleSignal } from '../../src/index.ts'

const Report = defineTask('report.build')

test('says how many workers are wanted, from the real queue', async () => {
  await using millrace = createMillrace({ engine: memory(), name: 'signal' })
  await millrace.enqueueMany(
    Report,
    Array.from({ length: 50 }, () => undefined),
  )
  const signal = scaleSignal(millrace, {
    queues: ['report.build'],
    processes: { min: 0, max: 3 },
    concurrency: 10,
    running: async () => 0,
  })
  expect(await signal.read()).toMatchObject({
    wanted: { processes: 1, concurrency: 10 },
    backlog: 50,
    slots: 0,
    busy: 0,
    reason: 'growing',
  })
  expect(await signal.metrics()).toMatch(/^millrace_workers_wanted\{name="report.build"\} 1$/m)

  expect(await queueLoad(millrace, ['report.build'])()).toMatchObject({ backlog: 50 })
  expect(await queueLoad(millrace, ['other'])()).toEqual({ backlog: 0, waitMs: 0 })
  await millrace.queues.pause('report.build')
  expect(await queueLoad(millrace, ['report.build'])()).toEqual({ backlog: 0, waitMs: 0 })
})
