import { isMillraceError } from '@millrace/core/driver'
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { systemRuntime } from '../../core/src/runtime/system-runtime.ts'
import { sqlite } from '../src/index.ts'
import { connected, openDriver, record, records, scratchFile } from './scratch.ts'

const resources = (): number => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length
const descriptors = (): number => readdirSync('/proc/self/fd').length

test('twenty cycles add no thread, no descriptor and no timer', async () => {
  const path = scratchFile()
  const cycle = async (threads: boolean): Promise<void> => {
    const driver = sqlite({ path, threads }).open(systemRuntime())
    await driver.transport.connect()
    await driver.transport.ensureTopic('order')
    const consumer = driver.transport.consume({
      topic: 'order',
      group: 'g',
      partitions: [{ partition: 0, token: 0, after: undefined }],
    })
    const waiting = consumer.fetch({ max: 1 })
    await driver.transport.list()
    await driver.transport.close()
    expect(await waiting).toEqual([])
  }
  // Each of the two threads opens its file watch when it reads for the first time, and keeps it.
  for (let round = 0; round < 4; round++) await cycle(true)
  const [ports, files] = [resources(), descriptors()]
  for (let round = 0; round < 20; round++) await cycle(round % 4 !== 0)
  // What a thread had open is gone soon after the thread.
  await expect.poll(resources).toBeLessThanOrEqual(ports)
  await expect.poll(descriptors).toBeLessThanOrEqual(files)
})

test('close is safe before connect, twice, and at once with connect', async () => {
  const never = openDriver(scratchFile())
  await never.transport.close()
  await expect(never.transport.connect()).rejects.toMatchObject({ code: 'closed' })

  const driver = openDriver(scratchFile())
  const connecting = driver.transport.connect()
  await Promise.all([driver.transport.close(), driver.transport.close(), connecting])
  await expect(driver.transport.list()).rejects.toMatchObject({ code: 'closed' })
})

test('everything before connect is refused as closed', async () => {
  const driver = openDriver(scratchFile())
  expect(() => driver.transport.capabilities).toThrow(expect.objectContaining({ code: 'closed' }))
  await expect(driver.transport.publish([record(1)])).rejects.toMatchObject({ code: 'closed' })
  await expect(driver.stores.lane.counts('g')).rejects.toMatchObject({ code: 'closed' })
})

test.each([true, false])('publishes under way when close is called are finished (threads: %s)', async (threads) => {
  const path = scratchFile()
  const driver = await connected({ path, threads })
  const publishing = driver.transport.publish(records(1, 300))
  await driver.transport.close()
  const outcomes = await publishing
  expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['stored']))
  const again = await connected({ path, threads })
  expect(await again.transport.read({ topic: 'order', limit: 1_000 })).toHaveLength(300)
})

test('a fired signal means rejected before the engine is asked', async () => {
  const driver = await connected(scratchFile())
  const [outcome] = await driver.transport.publish([record(1)], { signal: AbortSignal.abort() })
  expect(outcome).toMatchObject({ outcome: 'rejected' })
  expect(outcome !== undefined && 'error' in outcome && isMillraceError(outcome.error, 'aborted')).toBe(true)
})

test('what cannot be sent to the thread fails that call alone', async () => {
  const driver = await connected(scratchFile())
  const notCopyable: object = { partitions: 1, retention: { maxEvents: () => 1 } }
  await expect(driver.transport.ensureTopic('other', notCopyable)).rejects.toThrow()
  expect((await driver.transport.list()).topics.map(({ topic }) => topic)).toEqual(['order'])
  await driver.transport.close()
})
