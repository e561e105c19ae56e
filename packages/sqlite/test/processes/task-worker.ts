import { DEFAULT_QUEUE_SETTINGS } from '@millrace/core/driver'
import { writeSync } from 'node:fs'
import { settleOf } from '@millrace/core/testing'
import { systemRuntime } from '../../../core/src/runtime/system-runtime.ts'
import { sqlite } from '../../src/index.ts'
import { task, tasksOf } from '../tasks.ts'

/**
 * Adds tasks, claims and settles them, as `worker-NAME`, until nothing is left or a fault point ends the process; tells of each task that
 * is stored, claimed and done.
 */
const [path = '', name = '', count = '0'] = process.argv.slice(2)
const driver = sqlite({ path, checkpointPages: 100 }).open(systemRuntime())
await driver.transport.connect()
const { tasks, admin } = tasksOf(driver)
const key = { order: false, concurrency: 2, rate: undefined }
await admin.putQueue({ name: 'mail', expectedVersion: 0, settings: { ...DEFAULT_QUEUE_SETTINGS, key }, note: '' })
const say = (what: string, id: string): void => void writeSync(1, `${what} ${id}\n`)
const claims = [{ queue: 'mail', names: ['mail.send'], limit: 7, suspects: 1 }]
for (let n = 0; n < Number(count); n += 5) {
  const added = [0, 1, 2, 3, 4].map((each) =>
    task(`${name}-${n + each}`, { key: each < 3 ? `key-${each}` : undefined }),
  )
  for (const { id } of await tasks.enqueue(added)) say('stored', id)
}
let waiting: ReturnType<typeof settleOf>[] = []
for (;;) {
  const { settled, claimed } = await tasks.exchange({ worker: `worker-${name}`, settles: waiting, notes: [], claims })
  for (const [at, outcome] of settled.entries()) if (outcome === 'settled') say('done', waiting[at]?.id ?? '')
  const taken = claimed[0]?.tasks ?? []
  for (const { id, starts } of taken) say('claimed', `${id} ${starts}`)
  waiting = taken.map((each) => settleOf(each, { output: '1' }))
  if (taken.length === 0) break
}
await driver.transport.close()
