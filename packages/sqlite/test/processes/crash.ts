import { writeSync } from 'node:fs'
import { systemRuntime } from '../../../core/src/runtime/system-runtime.ts'
import { sqlite } from '../../src/index.ts'
import { record } from './plain-record.ts'

/**
 * Publishes, dead-letters, settles and lets retention drop, telling of each acknowledgement at once, until a fault point
 * ends the process.
 */
const path = process.argv[2] ?? ''
const driver = sqlite({ path, retentionEveryMs: 10, checkpointPages: 100 }).open(systemRuntime())
await driver.transport.connect()
await driver.transport.ensureTopic('order', { partitions: 4 })
await driver.transport.ensureTopic('short', { partitions: 1, retention: { maxEvents: 5 } })
await driver.transport.ensureGroup('g', ['order'], 'earliest')
const token = (await driver.stores.leases.observe('g')).partitions[0]?.token ?? 0
for (let n = 0; n < 400; n += 2) {
  const batch = [record(n), record(n + 1), record(n, { topic: 'short', partition: 0, id: `short-${n}` })]
  const outcomes = await driver.transport.publish(batch)
  for (const [index, { outcome }] of outcomes.entries()) {
    if (outcome === 'stored' && index < 2) writeSync(1, `event-${n + index}\n`)
  }
  const [first] = await driver.transport.read({ topic: 'order', partition: 0, limit: 1 })
  if (first === undefined) continue
  await driver.stores.deadLetters.put(
    [
      {
        group: 'g',
        topic: 'order',
        partition: 0,
        position: first.position,
        record: first,
        laneKey: undefined,
        code: 'handler_failed',
        message: 'no',
        stack: undefined,
        attempts: 1,
        firstFailedAt: 1,
        lastFailedAt: 1,
        fingerprint: 'f',
        generation: 0,
      },
    ],
    token,
  )
}
