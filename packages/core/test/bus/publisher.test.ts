import { expect, test } from 'vitest'
import { createPublisher } from '../../src/bus/publisher.ts'
import type { PublishOutcome, PublishRecord, Transport } from '../../src/driver.ts'
import { systemRuntime } from '../../src/runtime/system-runtime.ts'

/** The sizes of the batches that 300 publishes of one moment go out in. */
async function sizesOf300(smallBatches: boolean): Promise<readonly number[]> {
  const sizes: number[] = []
  const transport = {
    capabilities: { smallBatches },
    async publish(records: readonly PublishRecord[]): Promise<readonly PublishOutcome[]> {
      sizes.push(records.length)
      return records.map(({ partition }, at) => ({ outcome: 'stored', partition, position: String(at) }))
    },
  } as unknown as Transport
  const runtime = systemRuntime()
  const publisher = createPublisher({ name: 'test', transport, runtime, timeoutMs: 5_000, maxPending: 1_000 })
  const record = {
    topic: 't',
    partition: 0,
    source: '/s',
    type: 't',
    key: undefined,
    correlationId: undefined,
    body: '',
  }
  for (let n = 0; n < 300; n += 1) publisher.submit({ ...record, id: String(n) }, () => undefined)
  await publisher.idle()
  return sizes
}

test('where a batch costs nothing by itself, one half is on its way while the other is stored', async () => {
  expect(await sizesOf300(true)).toEqual([150, 150])
})

test('elsewhere what waits goes out in one batch', async () => {
  expect(await sizesOf300(false)).toEqual([300])
})
