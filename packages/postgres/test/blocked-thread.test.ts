import { execFileSync } from 'node:child_process'
import { afterAll, describe, expect, test } from 'vitest'
import { openDriver } from './driver.ts'
import { hasPostgres, testServer } from './test-server.ts'

describe.skipIf(!hasPostgres)('a thread that is blocked', () => {
  afterAll(async () => (await testServer()).stop())

  async function member(aliveWithinMs: number): Promise<() => number> {
    const { driver, url, schema } = await openDriver()
    await driver.transport.ensureTopic('t', { partitions: 1 })
    await driver.transport.ensureGroup('g', ['t'], 'earliest')
    const alive = new Int32Array(new SharedArrayBuffer(4))
    await driver.stores.leases.join(
      { member: 'm', group: 'g', label: 'm', filterEpoch: 0 },
      { everyMs: 40, aliveWithinMs, alive },
    )
    // Nothing on this thread turns while it asks in this way.
    return () =>
      Number(execFileSync('psql', [url, '-Atc', `SELECT count FROM ${schema}.members`], { encoding: 'utf8' }))
  }

  test('its members are counted up by another thread', async () => {
    const countNow = await member(600_000)
    const before = countNow()
    let looks = 0
    while (countNow() < before + 5 && looks < 400) looks += 1
    expect(countNow()).toBeGreaterThanOrEqual(before + 5)
  })

  test('for longer than it may, they are not', async () => {
    const countNow = await member(300)
    let last = countNow()
    let still = 0
    for (let looks = 0; looks < 400 && still < 20; looks += 1) {
      const now = countNow()
      still = now === last ? still + 1 : 0
      last = now
    }
    expect(still).toBe(20)
  })
})
